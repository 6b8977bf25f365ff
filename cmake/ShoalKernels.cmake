# Files named *_avx2.c, *_avx512.c, *_amx.c, *_neon.c under src/tensor/kernels are built with their instruction set
# (never with FMA contraction) and are called only after the CPU was probed.
if(TARGET sh_tensor)
  file(GLOB avx2 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/tensor/kernels/*_avx2.c)
  file(GLOB avx512 CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/tensor/kernels/*_avx512.c)
  file(GLOB amx CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/tensor/kernels/*_amx.c)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set_source_files_properties(${avx2} PROPERTIES COMPILE_OPTIONS "-mavx2;-mf16c")
    set_source_files_properties(${avx512} PROPERTIES COMPILE_OPTIONS
      "-mavx2;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vnni;-mprefer-vector-width=512")
    set_source_files_properties(${amx} PROPERTIES COMPILE_OPTIONS
      "-mavx2;-mf16c;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vnni;-mamx-tile;-mamx-int8")
  endif()
endif()
