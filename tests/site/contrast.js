// The lowest contrasts of text with its background, by the formula of WCAG 2: [ratio, text, colours]
() => {
  const numbers = colour => {
    const found = colour.match(/[\d.]+/g).map(Number);
    const scale = colour.startsWith('color(') ? 255 : 1;
    return [...found.slice(0, 3).map(x => x * scale), found.length > 3 ? found[3] : 1];
  };
  const over = (top, below) =>
    [0, 1, 2].map(i => top[3] * top[i] + (1 - top[3]) * below[i]).concat(1);
  const backgrounds = new Map();
  const background = element => {
    if (element === null) return [255, 255, 255, 1];
    if (!backgrounds.has(element)) {
      const own = numbers(getComputedStyle(element).backgroundColor);
      backgrounds.set(element, own[3] === 1 ? own : over(own, background(element.parentElement)));
    }
    return backgrounds.get(element);
  };
  const luminance = colour => {
    const [r, g, b] = colour.slice(0, 3).map(c => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const low = [];
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(element)) continue;
    seen.add(element);
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (element.closest('svg, script, style, noscript, .katex-mathml, [aria-hidden="true"]:not(.katex-html)')) continue;
    const below = background(element);
    const colour = over(numbers(getComputedStyle(element).color), below);
    const [a, b] = [luminance(colour), luminance(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5)
      low.push([ratio.toFixed(2), walker.currentNode.data.trim().slice(0, 40), element.className || element.tagName, String(colour), String(below)].join(' '));
  }
  return low;
}
