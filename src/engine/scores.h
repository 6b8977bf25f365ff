/* scores.h - the scores of one draw: a list of (id, score) that processors change and cut.
 *
 * It starts dense (entry i is token i, the whole vocabulary) and shrinks in place with the first cut, so that
 * later steps touch the survivors alone. Ids stay ascending all the way. A score of -inf is out of the draw.
 * Probabilities, sums and entropies are double, in id order, through sh_exp and sh_log: the same bits on
 * every machine. One user at a time. Scratch memory grows to what a chain needs and is kept: a steady state
 * draws without allocating. */
#ifndef SH_ENGINE_SCORES_H
#define SH_ENGINE_SCORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shoal/tokenizer.h>

/* What a sort moves: ascending by key, equal keys in their former order. */
typedef struct sh_sort_entry {
    uint64_t key;
    uint32_t i;
} sh_sort_entry;

typedef struct sh_scores {
    float *x;       /* [n] */
    sh_token *ids;  /* [n]; not filled while dense */
    double *p;      /* [n] exp(x - largest), while has_p */
    double total;   /* their sum in id order, while has_total */
    uint32_t *seen; /* [n_vocab] for processors that count ids; all zero between them */
    sh_sort_entry *sorted, *swap;
    size_t p_cap, sort_cap;
    int32_t n, n_vocab;
    bool dense, has_p, has_total;
} sh_scores;

int sh_scores_open(sh_scores **out, int32_t n_vocab, sh_err *err);
void sh_scores_free(sh_scores *s);
/* Start a draw from logits [n_vocab]. NaN and +inf become -inf (never drawn), -0 becomes 0. */
void sh_scores_load(sh_scores *s, const float *logits);

static inline sh_token sh_scores_id(const sh_scores *s, int32_t i)
{
    return s->dense ? i : s->ids[i];
}
/* The entry of a token, or -1 when it was cut away or is no token. O(log n). */
int32_t sh_scores_find(const sh_scores *s, sh_token id);
/* The first entry with the largest score, or -1 when none is finite. */
int32_t sh_scores_best(const sh_scores *s);
/* To be called after scores were changed other than to -inf. */
static inline void sh_scores_changed(sh_scores *s)
{
    s->has_p = s->has_total = false;
}
/* Forget the entries with a score below `least` (or -inf). */
void sh_scores_cut(sh_scores *s, float least);
/* Make p and total valid. With no finite score, total is 0. */
int sh_scores_softmax(sh_scores *s, sh_err *err);
/* -sum q log q of q = p / total, after sh_scores_softmax with total > 0. */
double sh_scores_entropy(const sh_scores *s);
/* The k-th largest score (k >= 1; the smallest one when k > n). */
int sh_scores_kth(sh_scores *s, int32_t k, float *out, sh_err *err);
/* sorted[0..n): entries from the best to the worst score, equal ones by id. */
int sh_scores_sort(sh_scores *s, sh_err *err);
/* Room for n entries in sorted and swap, then sort sorted[0..n) by the low n_key_bytes of the keys. */
int sh_scores_reserve_sort(sh_scores *s, sh_err *err);
void sh_scores_sort_keys(sh_scores *s, int n_key_bytes);
/* The entry a uniform number u in [0, 1) falls on: the first whose cumulative p (id order) divided by total
 * exceeds u. -1 when nothing can be drawn. */
int sh_scores_draw(sh_scores *s, double u, int32_t *out, sh_err *err);

/* The same for plain probabilities p[0..n) that need not be normalised; -1 when they sum to nothing. */
int32_t sh_categorical(const double *p, int32_t n, double u);

#endif
