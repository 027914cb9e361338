'use strict';
// Mathematics of the lessons: regularizers, backups, bounds, and evaluation of a policy. A policy is a list of rows.

const sum = x => x.reduce((a, b) => a + b, 0);
const dot = (x, y) => x.reduce((total, value, i) => total + value * y[i], 0);

function logSumExp(y) {
  const largest = Math.max(...y);
  return largest + Math.log(sum(y.map(value => Math.exp(value - largest))));
}

// The point of the simplex nearest to y.
function project(y) {
  const sorted = [...y].sort((a, b) => b - a);
  let total = 0, threshold = 0;
  sorted.forEach((value, i) => {
    total += value;
    if (value > (total - 1) / (i + 1)) threshold = (total - 1) / (i + 1);
  });
  return y.map(value => Math.max(value - threshold, 0));
}

// h(p), the greedy policy ∇h*(y), and ∇h(p), from which dual averaging starts.
const REGULARIZERS = {
  hard: {
    label: 'none',
    value: () => 0,
    greedy: y => { const best = y.indexOf(Math.max(...y)); return y.map((_, i) => +(i === best)); },
  },
  shannon: {
    label: 'Shannon entropy',
    value: p => sum(p.map(x => (x > 0 ? x * Math.log(x) : 0))),
    greedy: y => { const z = logSumExp(y); return y.map(value => Math.exp(value - z)); },
    gradient: p => p.map(Math.log),
  },
  l2: {
    label: 'squared ℓ2 norm (sparse)',
    value: p => dot(p, p) / 2,
    greedy: project,
    gradient: p => [...p],
  },
};

// Solves A x = b by elimination with pivots; both are overwritten.
function solveLinear(A, b) {
  const n = b.length;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(A[i][k]) > Math.abs(A[pivot][k])) pivot = i;
    [A[k], A[pivot]] = [A[pivot], A[k]];
    [b[k], b[pivot]] = [b[pivot], b[k]];
    for (let i = k + 1; i < n; i++) {
      const factor = A[i][k] / A[k][k];
      if (factor === 0) continue;
      for (let j = k; j < n; j++) A[i][j] -= factor * A[k][j];
      b[i] -= factor * b[k];
    }
  }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = k + 1; j < n; j++) b[k] -= A[k][j] * b[j];
    b[k] /= A[k][k];
  }
  return b;
}

// A model: discount, rewards[s][a], next[s][a] = [[state, probability], …]; a state without actions is terminal.
const actionValues = (model, V) => model.rewards.map((row, s) =>
  row.map((r, a) => r + model.discount * sum(model.next[s][a].map(([t, p]) => p * V[t]))));

const greedy = (h, tau, Q) =>
  Q.map(q => (q.length ? h.greedy(tau > 0 ? q.map(x => x / tau) : q) : []));

const stateValues = (h, tau, policy, Q) =>
  Q.map((q, s) => (q.length ? dot(policy[s], q) - tau * h.value(policy[s]) : 0));

function evaluate(model, h, tau, policy) {
  const n = policy.length;
  const A = policy.map((_, s) => Array.from({length: n}, (_, t) => +(s === t)));
  const b = policy.map((p, s) => {
    p.forEach((x, a) => model.next[s][a].forEach(([t, q]) => { A[s][t] -= model.discount * x * q; }));
    return p.length ? dot(p, model.rewards[s]) - tau * h.value(p) : 0;
  });
  return solveLinear(A, b);
}

// MacQueen's bounds from one backup of V: TV + γ/(1-γ) [min, max] (TV - V) contains V*.
function bounds(model, h, tau, V) {
  const Q = actionValues(model, V);
  const TV = stateValues(h, tau, greedy(h, tau, Q), Q);
  const d = TV.map((value, s) => value - V[s]);
  const factor = model.discount / (1 - model.discount);
  return {
    lower: TV.map((value, s) => (Q[s].length ? value + factor * Math.min(...d) : 0)),
    upper: TV.map((value, s) => (Q[s].length ? value + factor * Math.max(...d) : 0)),
  };
}

// ---------------------------------------------------------------------------------------------------------- the page

const SVG = 'http://www.w3.org/2000/svg';

function draw(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function picture(id) {
  const svg = document.getElementById(id);
  svg.replaceChildren();
  return svg;
}

const show = x => (Number.isInteger(x) ? String(x) : Math.abs(x) >= 0.01 && Math.abs(x) < 1000 ? x.toFixed(3) : x.toExponential(1));

// A slider whose position is turned into a setting by `read`.
function slider(settings, name, read, update) {
  const input = document.getElementById(name);
  const take = () => {
    settings[name] = read(Number(input.value));
    input.nextElementSibling.value = show(settings[name]);
  };
  input.addEventListener('input', () => { take(); update(); });
  take();
}

function choice(settings, name, update) {
  const select = document.getElementById(name);
  const take = () => { settings[name] = select.value; };
  select.addEventListener('change', () => { take(); update(); });
  take();
}

// Draws curves of positive numbers against their index, on a logarithmic scale.
function drawCurves(svg, curves, floor, axis) {
  const [width, height, left, bottom] = [420, 260, 52, 30];
  const values = curves.flatMap(curve => curve.values).filter(x => x > floor && isFinite(x));
  const low = Math.floor(Math.log10(Math.min(...values, 1))), high = Math.ceil(Math.log10(Math.max(...values, floor * 10)));
  const n = Math.max(...curves.map(curve => curve.values.length)) - 1;
  const x = i => left + (width - left - 10) * i / Math.max(n, 1);
  const y = v => 10 + (height - bottom - 10) * (high - Math.log10(Math.max(v, 10 ** low))) / (high - low);
  for (let power = low; power <= high; power += Math.max(1, Math.round((high - low) / 6))) {
    draw(svg, 'line', {x1: left, x2: width - 10, y1: y(10 ** power), y2: y(10 ** power), class: 'grid'});
    draw(svg, 'text', {x: left - 6, y: y(10 ** power) + 4, 'text-anchor': 'end'}, `1e${power}`);
  }
  draw(svg, 'text', {x: (left + width) / 2, y: height - 6, 'text-anchor': 'middle'}, axis || `iterations, 0 to ${n}`);
  for (const {values: line, style} of curves) {
    const points = line.map((v, i) => [x(i), y(v), v]).filter(point => isFinite(point[2])).map(point => `${point[0]},${point[1]}`);
    draw(svg, 'polyline', {points: points.join(' '), class: style});
  }
}

// -------------------------------------------------------------------------------------- three arms, on the simplex

function lessonBandit() {
  const settings = {start: [0.05, 0.15, 0.8]};
  const rewards = DATA.bandit.rewards;
  const shannon = REGULARIZERS.shannon;

  // Each step takes log π, or the dual variable, and returns the next.
  const softmaxGradient = logits => {
    const p = shannon.greedy(logits), z = logSumExp(logits);
    const soft = rewards.map((r, a) => r - settings.tau * (logits[a] - z));
    const mean = dot(p, soft);
    return logits.map((x, a) => x + settings.eta * p[a] * (soft[a] - mean));
  };
  const naturalGradient = logits => {
    const eta = Math.min(settings.eta, 1 / settings.tau), z = logSumExp(logits);
    return logits.map((x, a) => (1 - eta * settings.tau) * (x - z) + eta * rewards[a]);
  };
  const dualAveraging = dual => {
    const alpha = 1 / (1 + settings.eta * settings.tau);
    return dual.map((x, a) => alpha * x + (1 - alpha) * rewards[a] / settings.tau);
  };

  function run(step, h) {
    const trace = [h.gradient(settings.start)];
    for (let k = 0; k < settings.iterations; k++) trace.push(step(trace[k]));
    const policies = trace.map(h.greedy);
    const best = h.greedy(rewards.map(r => r / settings.tau));
    const value = p => dot(p, rewards) - settings.tau * h.value(p);
    return {policies, optimum: best, gaps: policies.map(p => Math.max(value(best) - value(p), 0))};
  }

  const corner = [[170, 14], [326, 284], [14, 284]];
  const place = p => [0, 1].map(i => dot(p, corner.map(c => c[i])));
  const planePlace = p => [0, 1].map(i => {
    const ratio = Math.log(Math.max(p[i], 1e-9) / Math.max(p[2], 1e-9));
    return i === 0 ? 170 + 9 * Math.max(-18, Math.min(18, ratio)) : 150 - 8 * Math.max(-18, Math.min(18, ratio));
  });

  function update() {
    const h = REGULARIZERS[settings.h];
    const runs = {pg: run(softmaxGradient, shannon), npg: run(naturalGradient, shannon), gpmd: run(dualAveraging, h)};
    const simplex = picture('simplex'), plane = picture('plane');
    draw(simplex, 'polygon', {points: corner.join(' '), class: 'edge'});
    ['arm 1', 'arm 2', 'arm 3'].forEach((name, i) => draw(simplex, 'text',
      {x: corner[i][0] + [14, -44, 0][i], y: corner[i][1] + [8, 16, 16][i]}, name));
    draw(plane, 'line', {x1: 8, x2: 332, y1: 150, y2: 150, class: 'grid'});
    draw(plane, 'line', {x1: 170, x2: 170, y1: 6, y2: 294, class: 'grid'});
    draw(plane, 'text', {x: 332, y: 144, 'text-anchor': 'end'}, 'log π₁/π₃');
    draw(plane, 'text', {x: 176, y: 16}, 'log π₂/π₃');
    for (const [name, {policies, optimum}] of Object.entries(runs)) {
      for (const [svg, to] of [[simplex, place], [plane, planePlace]]) {
        draw(svg, 'polyline', {points: policies.map(to).join(' '), class: name});
        policies.forEach(p => { const [x, y] = to(p); draw(svg, 'circle', {cx: x, cy: y, r: 1.8, class: name}); });
        const [x, y] = to(optimum);
        draw(svg, 'circle', {cx: x, cy: y, r: 6, class: `goal ${name}`});
      }
      document.getElementById(`gap-${name}`).textContent = show(runs[name].gaps.at(-1));
    }
    const [x, y] = place(settings.start);
    draw(simplex, 'circle', {cx: x, cy: y, r: 9, class: 'handle'});
    drawCurves(picture('gaps'), ['pg', 'npg', 'gpmd'].map(style => ({style, values: runs[style].gaps})), 1e-13);
    window.lesson = {settings: {...settings}, runs};
  }

  function moveStart(p) {
    const floored = p.map(x => Math.max(x, 0.005));
    settings.start = floored.map(x => x / sum(floored));
    update();
  }
  const simplex = document.getElementById('simplex');
  const follow = event => {
    const box = simplex.getBoundingClientRect();
    const x = (event.clientX - box.left) * 340 / box.width, y = (event.clientY - box.top) * 300 / box.height;
    const first = (284 - y) / 270, second = (x - 14 - 156 * first) / 312;
    moveStart([first, second, 1 - first - second]);
  };
  simplex.addEventListener('pointerdown', event => { simplex.setPointerCapture(event.pointerId); follow(event); });
  simplex.addEventListener('pointermove', event => { if (event.buttons) follow(event); });
  simplex.addEventListener('keydown', event => {
    const steps = {ArrowUp: [0.02, -0.01, -0.01], ArrowDown: [-0.02, 0.01, 0.01], ArrowRight: [0, 0.02, -0.02], ArrowLeft: [0, -0.02, 0.02]};
    if (!(event.key in steps)) return;
    event.preventDefault();
    moveStart(settings.start.map((x, i) => x + steps[event.key][i]));
  });
  slider(settings, 'tau', x => 10 ** x, update);
  slider(settings, 'eta', x => 10 ** x, update);
  slider(settings, 'iterations', x => x, update);
  choice(settings, 'h', update);
  update();
}

// ---------------------------------------------------------------------------------- value and policy iteration, a grid

const MOVES = [[-1, 0], [0, 1], [1, 0], [0, -1]];

// The rule of rm.models.gridworld: a move succeeds, or slips to either side; entering the goal ends the episode.
function gridModel(walls, goal, slip, discount) {
  const [height, width] = [walls.length, walls[0].length];
  const cells = [], index = walls.map(row => row.map(() => -1));
  walls.forEach((row, i) => row.forEach((wall, j) => { if (!wall) { index[i][j] = cells.length; cells.push([i, j]); } }));
  const end = index[goal[0]][goal[1]];
  const target = ([i, j], a) => {
    const [k, l] = [i + MOVES[a][0], j + MOVES[a][1]];
    return k >= 0 && l >= 0 && k < height && l < width && !walls[k][l] ? index[k][l] : index[i][j];
  };
  const next = cells.map((cell, s) => (s === end ? [] : MOVES.map((_, a) =>
    [[target(cell, a), 1 - slip], [target(cell, (a + 1) % 4), slip / 2], [target(cell, (a + 3) % 4), slip / 2]])));
  const rewards = next.map(row => row.map(moves => sum(moves.map(([t, p]) => (t === end ? p : 0)))));
  return {cells, next, rewards, discount};
}

function lessonGridworld() {
  const settings = {walls: DATA.gridworld.walls.map(row => [...row])};
  const {goal, slip} = DATA.gridworld;
  const [height, width] = [settings.walls.length, settings.walls[0].length];

  function iterate(model, h, tau) {
    let V = model.next.map(() => 0);
    let policy = greedy(h, tau, model.rewards);
    const gaps = [];
    let interval = bounds(model, h, tau, V);
    const spread = () => Math.max(...interval.upper.map((x, s) => x - interval.lower[s]));
    gaps.push(spread());
    for (let k = 0; k < settings.iterations; k++) {
      const Q = actionValues(model, V);
      policy = greedy(h, tau, Q);
      V = settings.method === 'policy' ? evaluate(model, h, tau, policy) : stateValues(h, tau, policy, Q);
      interval = bounds(model, h, tau, V);
      gaps.push(spread());
    }
    return {V, policy: greedy(h, tau, actionValues(model, V)), gaps, ...interval};
  }

  function update() {
    const h = REGULARIZERS[settings.h], tau = settings.h === 'hard' ? 0 : settings.tau;
    const model = gridModel(settings.walls, goal, slip, settings.discount);
    const run = iterate(model, h, tau);
    const svg = picture('grid'), size = 340 / width;
    const [low, high] = [Math.min(...run.V), Math.max(...run.V)];
    settings.walls.forEach((row, i) => row.forEach((wall, j) => {
      if (wall) draw(svg, 'rect', {x: j * size, y: i * size, width: size, height: size, class: 'wall'});
    }));
    model.cells.forEach(([i, j], s) => {
      const share = high > low ? (run.V[s] - low) / (high - low) : 0;
      const atGoal = i === goal[0] && j === goal[1];
      draw(svg, 'rect', {x: j * size, y: i * size, width: size, height: size, class: atGoal ? 'goal-cell' : 'cell',
        style: atGoal ? '' : `fill-opacity: ${(0.08 + 0.62 * share).toFixed(3)}`});
      run.policy[s].forEach((p, a) => draw(svg, 'line', {x1: (j + 0.5) * size, y1: (i + 0.5) * size,
        x2: (j + 0.5 + 0.45 * p * MOVES[a][1]) * size, y2: (i + 0.5 + 0.45 * p * MOVES[a][0]) * size, class: 'arrow'}));
    });
    if (document.activeElement === svg) draw(svg, 'rect', {x: cursor[1] * size + 2, y: cursor[0] * size + 2,
      width: size - 4, height: size - 4, class: 'cursor'});
    drawCurves(picture('gaps'), [{style: 'npg', values: run.gaps}], 1e-15);
    document.getElementById('gap').textContent = run.gaps.at(-1).toExponential(2);
    window.lesson = {settings: JSON.parse(JSON.stringify(settings)), goal, slip, tau, ...run};
  }

  let cursor = [0, 0];
  function toggle(i, j) {
    const free = sum(settings.walls.flat().map(wall => +!wall));
    if ((i === goal[0] && j === goal[1]) || (!settings.walls[i][j] && free <= 2)) return;
    settings.walls[i][j] = !settings.walls[i][j];
    update();
  }
  const grid = document.getElementById('grid');
  grid.addEventListener('pointerdown', event => {
    const box = grid.getBoundingClientRect();
    const at = (x, n, length) => Math.min(n - 1, Math.max(0, Math.floor(x * n / length)));
    toggle(at(event.clientY - box.top, height, box.height), at(event.clientX - box.left, width, box.width));
  });
  grid.addEventListener('keydown', event => {
    const move = {ArrowUp: 0, ArrowRight: 1, ArrowDown: 2, ArrowLeft: 3}[event.key];
    if (move !== undefined) {
      cursor = [Math.min(height - 1, Math.max(0, cursor[0] + MOVES[move][0])), Math.min(width - 1, Math.max(0, cursor[1] + MOVES[move][1]))];
      update();
    } else if (event.key === ' ' || event.key === 'Enter') toggle(...cursor);
    else return;
    event.preventDefault();
  });
  grid.addEventListener('focus', update);
  grid.addEventListener('blur', update);
  slider(settings, 'tau', x => 10 ** x, update);
  slider(settings, 'discount', x => x, update);
  slider(settings, 'iterations', x => x, update);
  choice(settings, 'h', update);
  choice(settings, 'method', update);
  update();
}

// ---------------------------------------------------------------------------------------------- the regularization path

function lessonPath() {
  const settings = {};
  const {temperatures, cells, paths, best} = DATA.path;

  function update() {
    const path = paths[settings.h], at = settings.position;
    const svg = picture('grid'), size = 85;
    const policy = path.policy[at];
    cells.forEach(([i, j, kind], s) => {
      draw(svg, 'rect', {x: j * size, y: i * size, width: size, height: size, class: kind || 'cell', style: kind ? '' : 'fill-opacity: 0.12'});
      policy[s].forEach((p, a) => { if (p > 0) draw(svg, 'line', {x1: (j + 0.5) * size, y1: (i + 0.5) * size,
        x2: (j + 0.5 + 0.45 * p * MOVES[a][1]) * size, y2: (i + 0.5 + 0.45 * p * MOVES[a][0]) * size, class: 'arrow'}); });
    });
    const losses = path.reward.map(value => Math.max(best - value, 0));
    drawCurves(picture('losses'), Object.entries(paths).map(([name, one]) => ({
      style: name === settings.h ? 'npg' : 'faint', values: one.reward.map(value => Math.max(best - value, 1e-12)),
    })).concat([{style: 'mark', values: losses.map((x, i) => (i === at ? Math.max(x, 1e-12) : NaN))}]), 1e-12,
      `temperature, ${show(temperatures[0])} to ${show(temperatures.at(-1))}, logarithmic`);
    const marks = document.getElementById('losses').querySelectorAll('.mark');
    marks.forEach(mark => { const [x, y] = mark.getAttribute('points').split(','); if (y) draw(document.getElementById('losses'), 'circle', {cx: x, cy: y, r: 6, class: 'handle'}); });
    document.getElementById('temperature').textContent = show(temperatures[at]);
    document.getElementById('loss').textContent = show(losses[at]);
    document.getElementById('zeros').textContent = String(sum(policy.flat().map(p => +(p === 0))));
    window.lesson = {settings: {...settings}, temperature: temperatures[at], policy, reward: path.reward[at], loss: losses[at]};
  }
  slider(settings, 'position', x => x, update);
  choice(settings, 'h', update);
  update();
}

// ------------------------------------------------------------------------------------------------ a bound against its run

function lessonBound() {
  const settings = {};
  const {model, tau, optimum} = DATA.bound;
  const h = REGULARIZERS.shannon;
  const distance = (X, Y) => Math.max(...X.flatMap((row, s) => row.map((x, a) => Math.abs(x - Y[s][a]))));

  function update() {
    const gamma = model.discount, eta = settings.share * (1 - gamma) / tau, alpha = 1 - settings.share;
    let logs = model.rewards.map(row => row.map(() => -Math.log(row.length)));
    const errors = [], constant = [], policies = [];
    for (let k = 0; k <= settings.iterations; k++) {
      const policy = logs.map(row => row.map(Math.exp));
      const Q = actionValues(model, evaluate(model, h, tau, policy));
      errors.push(distance(Q, optimum.q));
      policies.push(policy);
      if (k === 0) constant.push(errors[0] + 2 * tau * alpha * distance(logs, optimum.logPolicy));
      const noisy = Q.map((q, s) => { const mean = dot(policy[s], q); return q.map(x => x + (x > mean ? -settings.delta : settings.delta)); });
      logs = logs.map((row, s) => {
        const next = row.map((x, a) => alpha * x + (1 - alpha) * noisy[s][a] / tau), z = logSumExp(next);
        return next.map(x => x - z);
      });
    }
    const floor = gamma * 2 * settings.delta / (1 - gamma) * (1 + gamma / (eta * tau));
    const bound = errors.map((_, t) => (t === 0 ? Infinity : gamma * constant[0] * (1 - eta * tau) ** (t - 1) + floor));
    drawCurves(picture('errors'), [{style: 'bound', values: bound}, {style: 'npg', values: errors}], 1e-15);
    document.getElementById('error').textContent = show(errors.at(-1));
    document.getElementById('bound').textContent = show(bound.at(-1));
    window.lesson = {settings: {...settings, eta, tau}, errors, bound: bound.map(x => (isFinite(x) ? x : null)), policy: policies.at(-1)};
  }
  slider(settings, 'share', x => x, update);
  slider(settings, 'delta', x => (x === -6 ? 0 : 10 ** x), update);
  slider(settings, 'iterations', x => x, update);
  update();
}

document.addEventListener('DOMContentLoaded', () => {
  ({bandit: lessonBandit, gridworld: lessonGridworld, path: lessonPath, bound: lessonBound})[document.body.dataset.lesson]();
});
