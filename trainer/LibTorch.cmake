# LibTorch straight from the PyPI wheel, or any unpacked LibTorch (-DTORCH_ROOT=DIR). Needs no nvcc and no CUDA
# toolkit. find_package(Torch) is not used: it fails to link where the toolkit's NCCL is older than the wheel's.
#   torch::cpu    libtorch_cpu, libc10: autograd, nn, c10d::Reducer
#   torch::cuda   and libtorch_cuda with the cudart, NVRTC and NCCL it was built with; absent where the wheel has none
#   TORCH_VERSION "2.15.0"; an installed aloft-train runs with this one only (launch_main.cpp)
set(ALOFT_TORCH_VERSION 2.15.0)
if(DEFINED ENV{XDG_CACHE_HOME})
  set(aloft_cache "$ENV{XDG_CACHE_HOME}/aloft")
else()
  set(aloft_cache "$ENV{HOME}/.cache/aloft")
endif()
set(aloft_torch_wheel "${aloft_cache}/torch-${ALOFT_TORCH_VERSION}/lib/python3.11/site-packages/torch")
if(NOT TORCH_ROOT AND EXISTS "${aloft_torch_wheel}")
  set(TORCH_ROOT "${aloft_torch_wheel}" CACHE PATH "The folder that holds LibTorch's include/ and lib/" FORCE)
endif()
if(NOT EXISTS "${TORCH_ROOT}/lib/libtorch_cpu.so" OR
   NOT EXISTS "${TORCH_ROOT}/include/torch/csrc/api/include/torch/torch.h")
  message(FATAL_ERROR "trainer/ needs LibTorch and found none in TORCH_ROOT='${TORCH_ROOT}' nor in "
    "${aloft_torch_wheel}. Run configs/install-deps, or pass -DTORCH_ROOT=DIR (the folder with include/ and "
    "lib/), or leave the trainer out with -DALOFT_TRAINER=OFF.")
endif()

file(GLOB torch_nvidia_libs "${TORCH_ROOT}/../nvidia/*/lib")
file(GLOB torch_nvidia_includes "${TORCH_ROOT}/../nvidia/*/include")
# "2.15.0": a wheel writes version.py, an unpacked LibTorch build-version.
set(TORCH_VERSION "")
foreach(name version.py build-version)
  if(NOT TORCH_VERSION AND EXISTS "${TORCH_ROOT}/${name}")
    file(STRINGS "${TORCH_ROOT}/${name}" torch_version_line REGEX "^(__version__|[0-9])" LIMIT_COUNT 1)
    string(REGEX MATCH "[0-9]+[.][0-9]+[.][0-9]+" TORCH_VERSION "${torch_version_line}")
  endif()
endforeach()
set(TORCH_VERSION "${TORCH_VERSION}" CACHE INTERNAL "for configs/packages")
set(TORCH_LIBRARY_FOLDERS "${TORCH_ROOT}/lib" ${torch_nvidia_libs} CACHE INTERNAL "for configs/packages")
if(NOT TORCH_VERSION)
  message(FATAL_ERROR "TORCH_ROOT='${TORCH_ROOT}' does not say its version (version.py or build-version)")
endif()

add_library(torch_cpu INTERFACE)
add_library(torch::cpu ALIAS torch_cpu)
target_compile_features(torch_cpu INTERFACE cxx_std_20)
target_compile_definitions(torch_cpu INTERFACE USE_DISTRIBUTED)  # as the wheel was built: it changes headers
target_include_directories(torch_cpu SYSTEM INTERFACE
  "${TORCH_ROOT}/include" "${TORCH_ROOT}/include/torch/csrc/api/include")
target_link_libraries(torch_cpu INTERFACE "${TORCH_ROOT}/lib/libtorch_cpu.so" "${TORCH_ROOT}/lib/libc10.so")
# Before 2.12 or so these two had other names; both are there to be overridden, neither calls the other.
file(STRINGS "${TORCH_ROOT}/include/torch/csrc/distributed/c10d/Backend.hpp" torch_new_names REGEX "all_gather_single")
if(NOT torch_new_names)
  target_compile_definitions(torch_cpu INTERFACE all_gather_single=_allgather_base all_to_all_single=alltoall_base)
endif()
list(JOIN torch_nvidia_libs ":" torch_rpath)
# The wheel's CPU library needs cudart too; the linker looks for it here, and so do programs in the build tree.
target_link_options(torch_cpu INTERFACE "LINKER:-rpath-link,${torch_rpath}")

if(EXISTS "${TORCH_ROOT}/lib/libtorch_cuda.so")
  find_library(TORCH_NCCL NAMES libnccl.so.2 HINTS ${torch_nvidia_libs} NO_DEFAULT_PATH REQUIRED)
  find_library(TORCH_CUDART NAMES libcudart.so.13 libcudart.so.12 HINTS ${torch_nvidia_libs} NO_DEFAULT_PATH REQUIRED)
  find_library(TORCH_NVRTC NAMES libnvrtc.so.13 libnvrtc.so.12 HINTS ${torch_nvidia_libs} NO_DEFAULT_PATH REQUIRED)
  add_library(torch_cuda INTERFACE)
  add_library(torch::cuda ALIAS torch_cuda)
  target_compile_definitions(torch_cuda INTERFACE USE_C10D_NCCL)
  target_include_directories(torch_cuda SYSTEM INTERFACE ${torch_nvidia_includes})
  # libtorch_cuda registers its kernels when it is loaded; no symbol of it need be used.
  target_link_libraries(torch_cuda INTERFACE torch_cpu
    "-Wl,--no-as-needed" "${TORCH_ROOT}/lib/libtorch_cuda.so" "-Wl,--as-needed"
    "${TORCH_ROOT}/lib/libc10_cuda.so" "${TORCH_CUDART}" "${TORCH_NVRTC}" "${TORCH_NCCL}")
endif()

# torch_headers: ATen's headers, compiled once. Reading them is nine tenths of the work on a file that includes them.
# use_torch_headers(TARGET): for static libraries; what is compiled by other options (tests) keeps its own.
file(CONFIGURE OUTPUT torch_headers.cpp CONTENT "// Nothing: CMake compiles headers for targets that have a file.\n")
add_library(torch_headers OBJECT "${CMAKE_CURRENT_BINARY_DIR}/torch_headers.cpp")
target_link_libraries(torch_headers PRIVATE aloft_options torch::cpu)
target_precompile_headers(torch_headers PRIVATE <ATen/ATen.h>)
function(use_torch_headers target)
  target_precompile_headers(${target} REUSE_FROM torch_headers)
endfunction()
