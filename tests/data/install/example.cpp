// example.cpp - the headers and the library from C++: the shape of a model.
#include <shoal/shoal.h>

#include <cstdio>
#include <memory>

int main(int argc, char **argv)
{
    sh_err err{};
    sh_runtime *runtime = nullptr;
    sh_model *model = nullptr;
    sh_runtime_opts runtime_opts{};
    runtime_opts.version = 1;
    if (argc != 2 || sh_runtime_open(&runtime, &runtime_opts, &err) != SH_OK) return 1;
    std::unique_ptr<sh_runtime, void (*)(sh_runtime *)> keep_runtime(runtime, sh_runtime_free);
    sh_model_opts model_opts{};
    model_opts.version = 1;
    if (sh_model_open(&model, runtime, argv[1], &model_opts, &err) != SH_OK) {
        std::fprintf(stderr, "example: %s\n", err.msg);
        return 1;
    }
    std::unique_ptr<sh_model, void (*)(sh_model *)> keep_model(model, sh_model_free);
    sh_model_info info;
    sh_model_get_info(model, &info);
    std::printf("%s has %u layers\n", info.name, info.n_layers);
    return 0;
}
