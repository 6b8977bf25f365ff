/* cmd_debug_pixels.c - shoal debug pixels: what a vision model is given of a picture. */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "media/image.h"
#include "os/file.h"

static int load_recipe(sh_image_recipe *r, const char *name, sh_err *err)
{
    char *folder = NULL;
    int rc = sh_model_folder(&folder, name, err);
    if (rc == SH_OK) rc = sh_image_recipe_load(r, folder, err);
    sh_free(folder);
    return rc;
}

static int run_pixels(sh_cli *cli, const sh_args *args, sh_err *err)
{
    sh_image_recipe r;
    sh_image *img = NULL;
    sh_image_opts io = SH_IMAGE_OPTS_INIT;
    float *pixels = NULL;
    uint32_t h, w;
    const char *path = sh_args_str(args, "output", NULL);
    int rc;
    if (!path) return sh_usage(cli, sh_fail(err, SH_E_INVALID, "debug pixels: -o OUT is needed"));
    if ((rc = load_recipe(&r, sh_args_at(args, 0), err)) < 0) goto out;
    if (strcmp(sh_args_str(args, "alpha", "drop"), "white") == 0) r.alpha = SH_ALPHA_WHITE;
    io.orient = sh_args_has(args, "orient");
    if ((rc = sh_image_load(&img, sh_args_at(args, 1), &io, err)) < 0) goto out;
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
