/* cmd_debug_mel.c - shoal debug mel: what a speech model is given of a sound. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "media/mel.h"
#include "os/file.h"

static int load_recipe(sh_mel_recipe *r, const char *name, sh_err *err)
{
    char *folder = NULL;
    int rc = sh_model_folder(&folder, name, err);
    if (rc == SH_OK) rc = sh_mel_recipe_load(r, folder, err);
    sh_free(folder);
    return rc;
}

static int run_mel(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_mel_recipe r;
    sh_sound sound = {0};
    sh_pool *pool = NULL;
    float *features = NULL;
    size_t n;
    const char *path = sh_args_str(args, "output", NULL);
    int rc;
    if (!path) return sh_usage(cli, sh_fail(err, SH_E_INVALID, "debug mel: -o OUT is needed"));
    if ((rc = load_recipe(&r, sh_args_at(args, 0), err)) < 0 ||
        (rc = sh_pool_open(&pool, (size_t)cli->n_threads, err)) < 0 ||
        (rc = sh_sound_read(&sound, sh_args_at(args, 1), r.rate, pool, err)) < 0)
        goto out;
    n = (size_t)r.n_mels * r.n_frames;
    if (!(features = sh_new_array(n, sizeof *features, err))) {
        rc = SH_E_NOMEM;
        goto out;
    }
    size_t start = (size_t)(sh_args_num(args, "start", 0) * r.rate + 0.5);
    if ((rc = sh_mel_compute(&r, &sound, start, r.n_frames, pool, features, err)) < 0 ||
        (rc = sh_file_write(path, features, n * sizeof *features, err)) < 0)
        goto out;
    rc = sh_print_json(cli,
                       json_pack("{s:[I,I],s:I,s:I}", "shape", (json_int_t)r.n_mels, (json_int_t)r.n_frames,
                                 "rate", (json_int_t)r.rate, "samples", (json_int_t)sound.n),
                       err);
out:
    sh_free(features);
    sh_pool_free(pool);
    sh_sound_clear(&sound);
    return rc;
}

const sh_command sh_cmd_debug_mel = {
    .name = "debug mel",
    .synopsis = "MODEL FILE.wav",
    .summary = "Write the log-mel features of one chunk of sound",
    .details =
        "OUT is float32 little-endian [mels, frames], for the settings in the model's "
        "preprocessor_config.json; its\n"
        "shape is printed as JSON, with the number of samples of the whole sound at the model's rate.\n"
        "FILE.wav may be - for standard input. A chunk that the sound does not fill ends in silence.",
    .opts = (const sh_opt[]){{"output", 'o', SH_OPT_FILE, "OUT.f32", "file to write", 0, 0, false},
                             {"start", 0, SH_OPT_NUM, "SECONDS", "where the chunk begins (default 0)", 0, 1e9,
                              false},
                             {0}},
    .min_args = 2,
    .max_args = 2,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_FILE},
    .run = run_mel,
};
