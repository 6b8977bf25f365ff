/* scores.c - see scores.h. */
#include "engine/scores.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/mem.h"
#include "tensor/exactmath.h"

enum { BLOCK = 64, HEAP_MAX = 512, INSERTION_MAX = 48 };

int sh_scores_open(sh_scores **out, int32_t n_vocab, sh_err *err)
{
    if (n_vocab < 1) return sh_fail(err, SH_E_INVALID, "vocabulary of %d tokens", n_vocab);
    sh_scores *s = sh_new(sizeof *s, err);
    if (!s) return SH_E_NOMEM;
    s->n_vocab = n_vocab;
    s->x = sh_alloc_aligned((size_t)n_vocab, sizeof *s->x);
    s->ids = sh_alloc((size_t)n_vocab, sizeof *s->ids);
    s->seen = sh_zalloc((size_t)n_vocab, sizeof *s->seen);
    if (!s->x || !s->ids || !s->seen) {
        sh_scores_free(s);
        return sh_fail_nomem(err, (unsigned long long)n_vocab * 12);
    }
    *out = s;
    return SH_OK;
}

void sh_scores_free(sh_scores *s)
{
    if (!s) return;
    sh_free(s->x);
    sh_free(s->ids);
    sh_free(s->p);
    sh_free(s->seen);
    sh_free(s->sorted);
    sh_free(s->swap);
    sh_free(s);
}

void sh_scores_load(sh_scores *s, const float *logits)
{
    float *restrict x = s->x;
    /* Adding 0 turns -0 into 0, so that equal scores have equal bits for the sort. */
    for (int32_t i = 0; i < s->n_vocab; i++) x[i] = logits[i] < INFINITY ? logits[i] + 0.0f : -INFINITY;
    s->n = s->n_vocab;
    s->dense = true;
    sh_scores_changed(s);
}

int32_t sh_scores_find(const sh_scores *s, sh_token id)
{
    if (id < 0 || id >= s->n_vocab) return -1;
    if (s->dense) return id;
    int32_t lo = 0, hi = s->n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (s->ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->ids[lo] == id ? lo : -1;
}

int32_t sh_scores_best(const sh_scores *s)
{
    int32_t best = -1;
    float most = -INFINITY;
    for (int32_t i = 0; i < s->n; i++)
        if (s->x[i] > most) most = s->x[i], best = i;
    return best;
}

/* True when some x[0..BLOCK) reaches `least`; written so that it becomes vector compares. */
static bool block_reaches(const float *x, float least)
{
    int hit = 0;
    for (int j = 0; j < BLOCK; j++) hit |= x[j] >= least;
    return hit != 0;
}

void sh_scores_cut(sh_scores *s, float least)
{
    int32_t to = 0;
    for (int32_t i = 0; i < s->n;) {
        /* After top-k of a large vocabulary nearly every block is empty. */
        if (i + BLOCK <= s->n && !block_reaches(s->x + i, least)) {
            i += BLOCK;
            continue;
        }
        int32_t end = i + BLOCK < s->n ? i + BLOCK : s->n;
        for (; i < end; i++) {
            if (s->x[i] < least || s->x[i] == -INFINITY) continue;
            s->ids[to] = sh_scores_id(s, i);
            s->x[to] = s->x[i];
            if (s->has_p) s->p[to] = s->p[i];
            to++;
        }
    }
    s->n = to;
    s->dense = false;
    s->has_total = false;
}

int sh_scores_softmax(sh_scores *s, sh_err *err)
{
    if ((size_t)s->n > s->p_cap) {
        sh_free(s->p);
        s->p_cap = 0;
        s->p = sh_alloc((size_t)s->n, sizeof *s->p);
        if (!s->p) return sh_fail_nomem(err, (unsigned long long)s->n * sizeof *s->p);
        s->p_cap = (size_t)s->n;
        s->has_p = false;
    }
    if (!s->has_p) {
        int32_t best = sh_scores_best(s);
        double most = best < 0 ? 0 : s->x[best];
        for (int32_t i = 0; i < s->n; i++)
            s->p[i] = s->x[i] == -INFINITY ? 0 : sh_exp((double)s->x[i] - most);
        s->has_p = true;
        s->has_total = false;
    }
    if (!s->has_total) {
        s->total = 0;
        for (int32_t i = 0; i < s->n; i++) s->total += s->p[i];
        s->has_total = true;
    }
    return SH_OK;
}

double sh_scores_entropy(const sh_scores *s)
{
    double entropy = 0;
    for (int32_t i = 0; i < s->n; i++) {
        double q = s->p[i] / s->total;
        if (q > 0) entropy -= q * sh_log(q); /* 0 log 0 counts as 0 */
    }
    return entropy;
}

static uint64_t descending_key(float x)
{
    uint32_t u = sh_f32_bits(x);
    return (u & 0x80000000u) ? u : ~(u | 0x80000000u) & 0xffffffffu;
}

int sh_scores_reserve_sort(sh_scores *s, sh_err *err)
{
    if ((size_t)s->n <= s->sort_cap) return SH_OK;
    sh_free(s->sorted);
    sh_free(s->swap);
    s->sort_cap = 0;
    s->sorted = sh_alloc((size_t)s->n, sizeof *s->sorted);
    s->swap = sh_alloc((size_t)s->n, sizeof *s->swap);
    if (!s->sorted || !s->swap) {
        sh_free(s->sorted);
        sh_free(s->swap);
        s->sorted = s->swap = NULL;
        return sh_fail_nomem(err, (unsigned long long)s->n * 2 * sizeof *s->sorted);
    }
    s->sort_cap = (size_t)s->n;
    return SH_OK;
}

static void sort_insertion(sh_sort_entry *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        sh_sort_entry e = a[i];
        size_t j = i;
        for (; j > 0 && a[j - 1].key > e.key; j--) a[j] = a[j - 1];
        a[j] = e;
    }
}

void sh_scores_sort_keys(sh_scores *s, int n_key_bytes)
{
    size_t n = (size_t)s->n;
    if (n <= INSERTION_MAX) {
        sort_insertion(s->sorted, n);
        return;
    }
    sh_sort_entry *from = s->sorted, *to = s->swap;
    for (int shift = 0; shift < 8 * n_key_bytes;
         shift += 8) { /* radix sort, least byte first: stable, O(n) */
        size_t start[257] = {0};
        for (size_t i = 0; i < n; i++) start[(from[i].key >> shift & 255) + 1]++;
        if (start[(from[0].key >> shift & 255) + 1] == n) continue; /* all alike in this byte */
        for (int b = 1; b < 256; b++) start[b] += start[b - 1];
        for (size_t i = 0; i < n; i++) to[start[from[i].key >> shift & 255]++] = from[i];
        sh_sort_entry *t = from;
        from = to, to = t;
    }
    s->sorted = from, s->swap = to;
}

int sh_scores_sort(sh_scores *s, sh_err *err)
{
    int rc = sh_scores_reserve_sort(s, err);
    if (rc < 0) return rc;
    for (int32_t i = 0; i < s->n; i++) s->sorted[i] = (sh_sort_entry){descending_key(s->x[i]), (uint32_t)i};
    sh_scores_sort_keys(s, 4);
    return SH_OK;
}

/* Put x in place of the smallest of heap[0..k) (a min-heap). */
static void heap_replace(float *heap, int32_t k, float x)
{
    int32_t i = 0;
    for (;;) {
        int32_t child = 2 * i + 1;
        if (child >= k) break;
        if (child + 1 < k && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= x) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
}

/* One pass with the k best so far in a heap: for small k nearly every block fails the first test. */
static float kth_by_heap(const sh_scores *s, int32_t k)
{
    float heap[HEAP_MAX];
    for (int32_t i = 0; i < k; i++) heap[i] = -INFINITY;
    for (int32_t i = 0; i < s->n;) {
        if (i + BLOCK <= s->n && heap[0] > -INFINITY && !block_reaches(s->x + i, heap[0])) {
            i += BLOCK;
            continue;
        }
        int32_t end = i + BLOCK < s->n ? i + BLOCK : s->n;
        for (; i < end; i++)
            if (s->x[i] > heap[0]) heap_replace(heap, k, s->x[i]);
    }
    return heap[0];
}

int sh_scores_kth(sh_scores *s, int32_t k, float *out, sh_err *err)
{
    if (k > s->n) k = s->n;
    if (k < 1) {
        *out = -INFINITY;
        return SH_OK;
    }
    if (k <= HEAP_MAX) {
        *out = kth_by_heap(s, k);
        return SH_OK;
    }
    int rc = sh_scores_sort(s, err);
    if (rc < 0) return rc;
    *out = s->x[s->sorted[k - 1].i];
    return SH_OK;
}

int32_t sh_categorical(const double *p, int32_t n, double u)
{
    double total = 0, sum = 0;
    int32_t last = -1;
    for (int32_t i = 0; i < n; i++) total += p[i];
    if (!(total > 0)) return -1;
    for (int32_t i = 0; i < n; i++) {
        if (!(p[i] > 0)) continue;
        sum += p[i];
        if (sum / total > u) return i;
        last = i; /* rounding may leave u beyond the last sum */
    }
    return last;
}

int sh_scores_draw(sh_scores *s, double u, int32_t *out, sh_err *err)
{
    int rc = sh_scores_softmax(s, err);
    if (rc < 0) return rc;
    *out = sh_categorical(s->p, s->n, u);
    return SH_OK;
}
