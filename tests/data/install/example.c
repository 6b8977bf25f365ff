/* example.c - what a program that uses libshoal looks like: the model's greedy continuation of a text. */
#include <shoal/shoal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int greedy(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (int)best;
}

static int go_on(sh_model *model, sh_session *session, const char *text, sh_err *err)
{
    sh_model_info info;
    const sh_tokenizer *tokenizer = sh_model_tokenizer(model);
    sh_encode_opts encode = {.add_special = true};
    sh_token ids[256];
    char piece[256];
    int rc;
    int64_t n = sh_tokenizer_encode(tokenizer, text, strlen(text), encode, ids, 256, err);
    if (n < 0) return (int)n;
    if (n > 256) return SH_E_RANGE;
    sh_model_get_info(model, &info);
    if ((rc = sh_session_prefill(session, ids, (size_t)n, err)) < 0) return rc;
    for (int i = 0; i < 8; i++) {
        sh_token next = greedy(sh_session_logits(session), info.n_vocab);
        int64_t length = sh_tokenizer_decode(tokenizer, &next, 1, true, piece, sizeof piece, err);
        if (length < 0) return (int)length;
        fwrite(piece, 1, (size_t)length < sizeof piece ? (size_t)length : sizeof piece, stdout);
        if ((rc = sh_session_prefill(session, &next, 1, err)) < 0) return rc;
    }
    putchar('\n');
    return SH_OK;
}

int main(int argc, char **argv)
{
    sh_err err = {0};
    sh_runtime *runtime = NULL;
    sh_model *model = NULL;
    sh_session *session = NULL;
    int rc = SH_E_INVALID;
    sh_runtime_opts runtime_opts = SH_RUNTIME_OPTS_INIT;
    sh_model_opts model_opts = SH_MODEL_OPTS_INIT;
    sh_session_opts session_opts = SH_SESSION_OPTS_INIT;
    if (argc == 3 && (rc = sh_runtime_open(&runtime, &runtime_opts, &err)) == SH_OK &&
        (rc = sh_model_open(&model, runtime, argv[1], &model_opts, &err)) == SH_OK &&
        (rc = sh_session_open(&session, model, &session_opts, &err)) == SH_OK)
        rc = go_on(model, session, argv[2], &err);
    if (rc < 0) fprintf(stderr, "example: %s\n", err.msg[0] ? err.msg : "usage: example MODEL TEXT");
    sh_session_free(session);
    sh_model_free(model);
    sh_runtime_free(runtime);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
