/* cmd_debug_pixels.c - shoal debug pixels: what a vision model is given of a picture. */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "media/image.h"
#include "os/file.h"
#include "store/model_names.h"

enum { MAX_FILE_BYTES = 512 << 20 };

/* The recipe of the folder that the model is, or that the model's file lies in. */
static int load_recipe(sh_image_recipe *r, const char *name, sh_err *err)
{
    char *path = NULL, *folder = NULL;
    int rc = sh_names_resolve(&path, name, err);
    if (rc < 0) return rc;
    size_t n_dir = (size_t)(sh_path_base(path) - path);
    if (sh_file_is_dir(path))
        folder = sh_strdup(path);
    else
        folder = n_dir ? sh_strndup(path, n_dir) : sh_strdup(".");
    rc = folder ? sh_image_recipe_load(r, folder, err) : sh_fail_nomem(err, strlen(path) + 1);
    sh_free(folder);
    sh_free(path);
    return rc;
}

static int load_image(sh_image **out, const char *path, bool orient, sh_err *err)
{
    sh_buf bytes = {0};
    sh_image_opts io = SH_IMAGE_OPTS_INIT;
    io.orient = orient;
    int rc = sh_file_read(path, MAX_FILE_BYTES, &bytes, err);
    if (rc == SH_OK && (rc = sh_image_decode(out, bytes.p, bytes.n, &io, err)) < 0)
        rc = sh_fail_in(err, rc, "%.150s", path);
    sh_buf_clear(&bytes);
    return rc;
}

static int run_pixels(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_image_recipe r;
    sh_image *img = NULL;
    float *pixels = NULL;
    uint32_t h, w;
    const char *path = sh_args_str(args, "output", NULL);
    int rc;
    if (!path) return sh_usage(cli, sh_fail(err, SH_E_INVALID, "debug pixels: -o OUT is needed"));
    if ((rc = load_recipe(&r, sh_args_at(args, 0), err)) < 0) goto out;
    if (strcmp(sh_args_str(args, "alpha", "drop"), "white") == 0) r.alpha = SH_ALPHA_WHITE;
    if ((rc = load_image(&img, sh_args_at(args, 1), sh_args_has(args, "orient"), err)) < 0) goto out;
    if ((rc = sh_image_pixels(img, &r, &pixels, &h, &w, err)) < 0) goto out;
    if ((rc = sh_file_write(path, pixels, (size_t)3 * h * w * sizeof *pixels, err)) < 0) goto out;
    rc = sh_print_json(cli,
                       json_pack("{s:[i,I,I],s:[I,I]}", "shape", 3, (json_int_t)h, (json_int_t)w, "image",
                                 (json_int_t)img->w, (json_int_t)img->h),
                       err);
out:
    sh_free(pixels);
    sh_image_free(img);
    return rc;
}

const sh_command sh_cmd_debug_pixels = {
    .name = "debug pixels",
    .synopsis = "MODEL IMAGE",
    .summary = "Write what a vision model is given of a picture",
    .details = "OUT is float32 little-endian [3, height, width] in the order R, G, B, for the settings in "
               "the model's "
               "preprocessor_config.json; its shape and the picture's size (width, height) are printed as "
               "JSON. IMAGE "
               "is a PNG, JPEG, PGM or PPM file; '-' is standard input.",
    .opts = (const sh_opt[]){{"output", 'o', SH_OPT_FILE, "OUT.f32", "file to write", 0, 0, false},
                             {"alpha", 0, SH_OPT_CHOICE, "drop|white",
                              "transparency: ignored, or composited on white (default drop)", 0, 0, false},
                             {"orient", 0, SH_OPT_FLAG, NULL, "turn the picture as its EXIF data says", 0, 0,
                              false},
                             {0}},
    .min_args = 2,
    .max_args = 2,
    .arg_kinds = {SH_ARG_MODEL, SH_ARG_FILE},
    .run = run_pixels,
};
