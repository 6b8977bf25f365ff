/* mel_recipe.c - the settings of a speech model's features, from its own files. */
#include "media/mel.h"

#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "media/mel_internal.h"
#include "os/file.h"

enum {
    MAX_MELS = 512,
    MAX_HOP = 16384,
    MAX_CHUNK_SECONDS = 3600,
    MAX_FRAMES = 1 << 20,
    MAX_FILE_BYTES = 16 << 20
};

/* Settings that no published model has and that change the features. */
static int check_unsupported(const json_t *doc, sh_err *err)
{
    const char *type = "WhisperFeatureExtractor";
    double padding_value = 0, dither = 0;
    bool do_normalize = false;
    int rc;
    if (json_object_get(doc, "image_processor_type") || json_object_get(doc, "image_mean"))
        return sh_fail(err, SH_E_UNSUPPORTED,
                       "settings of a model for images; expected WhisperFeatureExtractor");
    if ((rc = sh_json_get_str(doc, "feature_extractor_type", &type, err)) < 0 ||
        (rc = sh_json_get_num(doc, "padding_value", &padding_value, -1e30, 1e30, err)) < 0 ||
        (rc = sh_json_get_num(doc, "dither", &dither, -1e30, 1e30, err)) < 0 ||
        (rc = sh_json_get_bool(doc, "do_normalize", &do_normalize, err)) < 0)
        return rc;
    if (strcmp(type, "WhisperFeatureExtractor") != 0)
        return sh_fail(err, SH_E_UNSUPPORTED,
                       "feature_extractor_type \"%.64s\"; expected WhisperFeatureExtractor", type);
    if (padding_value != 0 || dither != 0 || do_normalize)
        return sh_fail(err, SH_E_UNSUPPORTED, "%s of the feature extractor is not supported; expected %s",
                       padding_value != 0 ? "padding_value"
                       : dither != 0      ? "dither"
                                          : "do_normalize",
                       do_normalize && padding_value == 0 && dither == 0 ? "false" : "0");
    return SH_OK;
}

int sh_mel_recipe_read(sh_mel_recipe *r, const json_t *doc, sh_err *err)
{
    int64_t n_mels = 80, rate = 16000, hop = 160, n_fft = 400, seconds = 30;
    const json_t *inner = json_object_get(doc, "feature_extractor");
    int rc;
    if (json_is_object(inner)) doc = inner;
    if ((rc = check_unsupported(doc, err)) < 0 ||
        (rc = sh_json_get_int(doc, "feature_size", &n_mels, 1, MAX_MELS, err)) < 0 ||
        (rc = sh_json_get_int(doc, "sampling_rate", &rate, SH_SOUND_MIN_RATE, SH_SOUND_MAX_RATE, err)) < 0 ||
        (rc = sh_json_get_int(doc, "hop_length", &hop, 1, MAX_HOP, err)) < 0 ||
        (rc = sh_json_get_int(doc, "n_fft", &n_fft, 2, SH_FFT_MAX_POINTS, err)) < 0 ||
        (rc = sh_json_get_int(doc, "chunk_length", &seconds, 1, MAX_CHUNK_SECONDS, err)) < 0)
        return rc;
    int64_t n_frames = seconds * rate / hop;
    if (n_frames < 1 || n_frames > MAX_FRAMES)
        return sh_fail(err, SH_E_RANGE, "a chunk of %lld seconds has %lld frames; expected 1 to %d",
                       (long long)seconds, (long long)n_frames, MAX_FRAMES);
    if (n_frames * hop <= n_fft / 2)
        return sh_fail(err, SH_E_RANGE, "a chunk of %lld samples; expected more than half of n_fft %lld",
                       (long long)(n_frames * hop), (long long)n_fft);
    *r =
        (sh_mel_recipe){(uint32_t)n_mels, (uint32_t)rate, (uint32_t)hop, (uint32_t)n_fft, (uint32_t)n_frames};
    return SH_OK;
}

int sh_mel_recipe_load(sh_mel_recipe *r, const char *folder, sh_err *err)
{
    static const char *const names[] = {"preprocessor_config.json", "processor_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *doc;
        int rc = sh_json_read_in(&doc, folder, names[i], MAX_FILE_BYTES, err);
        if (rc < 0) return rc;
        if (!doc) continue;
        if ((rc = sh_mel_recipe_read(r, doc, err)) < 0) sh_fail_in(err, rc, "%s/%s", folder, names[i]);
        json_decref(doc);
        return rc;
    }
    return sh_fail(err, SH_E_NOTFOUND, "%s: no %s, which a model for speech has", folder, names[0]);
}
