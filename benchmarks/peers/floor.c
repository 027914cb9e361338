/* The floor: Bellman sweeps as plain loops over sparse or dense rows, one thread a slice of states.

   A state s has the pairs start[s] .. start[s + 1]; a pair k has the entries indptr[k] .. indptr[k + 1].
   If there are dense rows, a pair k has the n_states entries from dense + k * n_states on, and no others.
   A state without a pair is terminal and has value 0. Rows may sum to less than 1: the rest ends the episode. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { HARD, SHANNON, SPARSEMAX, TSALLIS15 };

typedef struct {
    int64_t n_states, most;
    const int64_t *start, *indptr;
    const int32_t *indices;
    const double *data, *dense, *rewards;
    double discount, temperature;
    int32_t kind, threads;
} problem;

static inline double action_value(const problem *p, const double *value, int64_t k) {
    double sum = 0.0;
    if (p->dense) {
        const double *row = p->dense + k * p->n_states;
#pragma omp simd reduction(+ : sum)
        for (int64_t t = 0; t < p->n_states; t++) sum += row[t] * value[t];
        return p->rewards[k] + p->discount * sum;
    }
    for (int64_t j = p->indptr[k]; j < p->indptr[k + 1]; j++) sum += p->data[j] * value[p->indices[j]];
    return p->rewards[k] + p->discount * sum;
}

static void sort_down(double *y, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        double x = y[i];
        int64_t j = i;
        for (; j > 0 && y[j - 1] < x; j--) y[j] = y[j - 1];
        y[j] = x;
    }
}

/* max <p, y> - sum p log p */
static double shannon(const double *y, int64_t n, double top) {
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += exp(y[i] - top);
    return top + log(sum);
}

/* max <p, y> - |p|^2 / 2: p = (y - t)_+, t from the longest prefix of the sorted y on which p > 0 */
static double sparsemax(double *y, int64_t n) {
    sort_down(y, n);
    double sum = 0.0, t = 0.0;
    int64_t support = 0;
    for (int64_t i = 0; i < n; i++) {
        double next = (sum + y[i] - 1.0) / (i + 1);
        if (y[i] <= next) break;
        sum += y[i], t = next, support = i + 1;
    }
    double best = 0.0;
    for (int64_t i = 0; i < support; i++) best += (y[i] - t) * (y[i] - 0.5 * (y[i] - t));
    return best;
}

/* max <p, y> - 2 (sum p^1.5 - 1): with z = y / 3, p = (z - t)_+^2, and t solves a quadratic on each prefix of the sorted z */
static double tsallis15(double *y, int64_t n) {
    sort_down(y, n);
    double top = y[0], sum = 0.0, squares = 0.0, t = 0.0;
    int64_t support = 0;
    for (int64_t i = 0; i < n; i++) {
        double z = (y[i] - top) / 3.0, s1 = sum + z, s2 = squares + z * z, mean = s1 / (i + 1);
        double inside = (1.0 - (s2 - s1 * mean)) / (i + 1);
        if (inside < 0.0) break;
        double next = mean - sqrt(inside);
        if (z <= next) break;
        sum = s1, squares = s2, t = next, support = i + 1;
    }
    double best = top + 2.0;
    for (int64_t i = 0; i < support; i++) {
        double root = (y[i] - top) / 3.0 - t;
        best += root * root * ((y[i] - top) - 2.0 * root);
    }
    return best;
}

/* Writes the backup of value to next and returns the largest change. */
double sweep(const problem *p, const double *value, double *next) {
    double change = 0.0;
#pragma omp parallel num_threads(p->threads) reduction(max : change)
    {
        double *y = malloc(sizeof(double) * (size_t)(p->most > 0 ? p->most : 1));
#pragma omp for schedule(static)
        for (int64_t s = 0; s < p->n_states; s++) {
            int64_t first = p->start[s], n = p->start[s + 1] - first;
            double best = -INFINITY;
            if (n == 0) {
                best = 0.0;
            } else if (p->kind == HARD) {
                for (int64_t i = 0; i < n; i++) {
                    double q = action_value(p, value, first + i);
                    if (q > best) best = q;
                }
            } else {
                for (int64_t i = 0; i < n; i++) {
                    y[i] = action_value(p, value, first + i) / p->temperature;
                    if (y[i] > best) best = y[i];
                }
                if (p->kind == SHANNON) best = shannon(y, n, best);
                else if (p->kind == SPARSEMAX) best = sparsemax(y, n);
                else best = tsallis15(y, n);
                best *= p->temperature;
            }
            double moved = fabs(best - value[s]);
            if (moved > change) change = moved;
            next[s] = best;
        }
        free(y);
    }
    return change;
}

/* Value iteration from value, in place, until the last sweep is within tolerance of the fixed point. Returns the sweeps made. */
int64_t value_iteration(const problem *p, double tolerance, double *value, double *other) {
    double *from = value, *to = other;
    int64_t sweeps = 0;
    while (1) {
        double change = sweep(p, from, to);
        double *swap = from;
        from = to, to = swap;
        sweeps++;
        if (change * p->discount <= tolerance * (1.0 - p->discount)) break;
    }
    if (from != value)
        for (int64_t s = 0; s < p->n_states; s++) value[s] = from[s];
    return sweeps;
}
