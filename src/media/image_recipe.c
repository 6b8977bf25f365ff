/* image_recipe.c - preprocessor_config.json: every spelling that published vision models have used.
 *
 * The kind of processor is a row: its defaults, and what a plain number as "size" means for it. Files before
 * 2023 name a feature extractor ("CLIPFeatureExtractor"), newer ones a processor ("CLIPImageProcessor",
 * "...Fast"); the name before that suffix is the kind. */
#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "media/image.h"
#include "os/file.h"

typedef struct processor {
    const char *kind;
    bool number_is_shortest; /* "size": 224 is the shorter side, not a square */
    bool crops;              /* unless the file says otherwise */
    uint32_t size, crop;
    enum sh_image_filter filter;
    float mean[3], std[3];
} processor;

#define HALVES {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}
#define OPENAI {0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}

static const processor processors[] = {
    {"ViT", false, false, 224, 224, SH_FILTER_BILINEAR, HALVES},
    {"DeiT", false, true, 256, 224, SH_FILTER_BICUBIC, HALVES},
    {"Beit", false, true, 256, 224, SH_FILTER_BICUBIC, HALVES},
    {"CLIP", true, true, 224, 224, SH_FILTER_BICUBIC, OPENAI},
    {"ChineseCLIP", true, true, 224, 224, SH_FILTER_BICUBIC, OPENAI},
    {"Siglip", false, false, 224, 224, SH_FILTER_BICUBIC, HALVES},
};

static int find_processor(const processor **out, const json_t *config, sh_err *err)
{
    static const char *const suffixes[] = {"ImageProcessor", "ImageProcessorFast", "ImageProcessorPil",
                                           "FeatureExtractor"};
    const char *name = NULL;
    int rc = sh_json_get_str(config, "image_processor_type", &name, err);
    if (rc == SH_OK && !name) rc = sh_json_get_str(config, "feature_extractor_type", &name, err);
    if (rc < 0) return rc;
    *out = &processors[0]; /* the first files had no name in them, and were all of this kind */
    if (!name) return SH_OK;
    for (size_t i = 0; i < sizeof processors / sizeof *processors; i++) {
        size_t n = strlen(processors[i].kind);
        if (strncmp(name, processors[i].kind, n) != 0) continue;
        for (size_t j = 0; j < sizeof suffixes / sizeof *suffixes; j++)
            if (strcmp(name + n, suffixes[j]) == 0) return *out = &processors[i], SH_OK;
    }
    return sh_fail(
        err, SH_E_UNSUPPORTED,
        "image processor '%.80s' is not known (expected one of the ViT, DeiT, Beit, CLIP, ChineseCLIP and "
        "Siglip kinds)",
        name);
}

/* One side of a size: present and in range. */
static int read_side(uint32_t *out, const json_t *obj, const char *key, sh_err *err)
{
    int64_t v = 0;
    int rc = sh_json_get_int(obj, key, &v, 1, SH_IMAGE_MAX_SIDE, err);
    if (rc == SH_OK && !v) rc = sh_fail(err, SH_E_INVALID, "'%s' is missing", key);
    if (rc == SH_OK) *out = (uint32_t)v;
    return rc;
}

/* {"height", "width"}, [height, width], or a number: a square, or (shortest not NULL) the shorter side. */
static int read_size(const json_t *v, bool number_is_shortest, uint32_t *h, uint32_t *w, uint32_t *shortest,
                     sh_err *err)
{
    json_int_t n = json_integer_value(v);
    if (json_is_integer(v)) {
        if (n < 1 || n > SH_IMAGE_MAX_SIDE)
            return sh_fail(err, SH_E_RANGE, "%lld is out of range (1 to %d)", (long long)n,
                           SH_IMAGE_MAX_SIDE);
        *h = *w = number_is_shortest && shortest ? 0 : (uint32_t)n;
        if (shortest) *shortest = number_is_shortest ? (uint32_t)n : 0;
        return SH_OK;
    }
    if (json_is_array(v) && json_array_size(v) == 2) {
        json_int_t a = json_integer_value(json_array_get(v, 0)), b = json_integer_value(json_array_get(v, 1));
        if (a < 1 || b < 1 || a > SH_IMAGE_MAX_SIDE || b > SH_IMAGE_MAX_SIDE)
            return sh_fail(err, SH_E_RANGE, "expected two numbers from 1 to %d", SH_IMAGE_MAX_SIDE);
        *h = (uint32_t)a;
        *w = (uint32_t)b;
        if (shortest) *shortest = 0;
        return SH_OK;
    }
    if (!json_is_object(v))
        return sh_fail(err, SH_E_INVALID,
                       "expected a number, {\"height\", \"width\"} or {\"shortest_edge\"}");
    if (shortest && json_object_get(v, "shortest_edge")) {
        *h = *w = 0;
        return read_side(shortest, v, "shortest_edge", err);
    }
    if (shortest) *shortest = 0;
    int rc = read_side(h, v, "height", err);
    return rc < 0 ? rc : read_side(w, v, "width", err);
}

/* [r, g, b], or one number for all three. */
static int read_three(float out[3], const json_t *config, const char *key, bool is_divisor, sh_err *err)
{
    const json_t *v = json_object_get(config, key);
    if (!v || json_is_null(v)) return SH_OK;
    for (size_t i = 0; i < 3; i++) {
        const json_t *e = json_is_array(v) && json_array_size(v) == 3 ? json_array_get(v, i) : v;
        double d = json_number_value(e);
        if (!json_is_number(e) || !(d >= -1e6 && d <= 1e6) || (is_divisor && !(d >= 1e-6)))
            return sh_fail(err, SH_E_INVALID, "'%s': expected three numbers%s", key,
                           is_divisor ? " above 0" : "");
        out[i] = (float)d;
    }
    return SH_OK;
}

static int read_sizes(sh_image_recipe *r, const json_t *config, const processor *p, sh_err *err)
{
    const json_t *size = json_object_get(config, "size"), *crop = json_object_get(config, "crop_size");
    int rc;
    r->height = r->width = p->number_is_shortest ? 0 : p->size;
    r->shortest_edge = p->number_is_shortest ? p->size : 0;
    r->crop_h = r->crop_w = p->crop;
    if (size && !json_is_null(size) &&
        (rc = read_size(size, p->number_is_shortest, &r->height, &r->width, &r->shortest_edge, err)) < 0)
        return sh_fail_in(err, rc, "'size'");
    if (crop && !json_is_null(crop) && (rc = read_size(crop, false, &r->crop_h, &r->crop_w, NULL, err)) < 0)
        return sh_fail_in(err, rc, "'crop_size'");
    return SH_OK;
}

int sh_image_recipe_read(sh_image_recipe *out, const json_t *config, sh_err *err)
{
    const processor *p;
    int rc;
    if (!json_is_object(config))
        return sh_fail(err, SH_E_INVALID, "the image settings are not a JSON object");
    if ((rc = find_processor(&p, config, err)) < 0) return rc;
    sh_image_recipe r = {.do_resize = true,
                         .do_center_crop = p->crops,
                         .do_rescale = true,
                         .do_normalize = true,
                         .alpha = SH_ALPHA_DROP,
                         .rescale_factor = 1.0 / 255.0};
    int64_t filter = (int64_t)p->filter;
    memcpy(r.mean, p->mean, sizeof r.mean);
    memcpy(r.std, p->std, sizeof r.std);
    if ((rc = sh_json_get_bool(config, "do_resize", &r.do_resize, err)) < 0 ||
        (rc = sh_json_get_bool(config, "do_center_crop", &r.do_center_crop, err)) < 0 ||
        (rc = sh_json_get_bool(config, "do_rescale", &r.do_rescale, err)) < 0 ||
        (rc = sh_json_get_bool(config, "do_normalize", &r.do_normalize, err)) < 0 ||
        (rc = sh_json_get_int(config, "resample", &filter, 0, SH_FILTER_COUNT - 1, err)) < 0 ||
        (rc = sh_json_get_num(config, "rescale_factor", &r.rescale_factor, -1e6, 1e6, err)) < 0 ||
        (rc = read_three(r.mean, config, "image_mean", false, err)) < 0 ||
        (rc = read_three(r.std, config, "image_std", true, err)) < 0 ||
        (rc = read_sizes(&r, config, p, err)) < 0)
        return rc;
    /* ViT processors have no cropping: what a file says about it is left over from another kind. */
    if (strcmp(p->kind, "ViT") == 0 || strcmp(p->kind, "Siglip") == 0) r.do_center_crop = false;
    r.filter = (enum sh_image_filter)filter;
    *out = r;
    return SH_OK;
}

int sh_image_recipe_load(sh_image_recipe *out, const char *folder, sh_err *err)
{
    static const struct {
        const char *file, *key;
    } places[] = {{"preprocessor_config.json", NULL}, {"processor_config.json", "image_processor"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        json_t *doc;
        int rc = sh_json_read_in(&doc, folder, places[i].file, 1 << 20, err);
        const json_t *config = places[i].key ? json_object_get(doc, places[i].key) : doc;
        if (rc == SH_OK && config && (rc = sh_image_recipe_read(out, config, err)) < 0)
            rc = sh_fail_in(err, rc, "%.150s/%s", folder, places[i].file);
        const bool done = rc < 0 || config;
        json_decref(doc);
        if (done) return rc;
    }
    return sh_fail(err, SH_E_NOTFOUND,
                   "%.300s: no preprocessor_config.json (it says how the model wants its pictures)", folder);
}
