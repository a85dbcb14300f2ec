# What the CUDA backend is made of: for nvcc, and for the simulated device of test/native/cuda_sim/.
set(folder "${CMAKE_CURRENT_LIST_DIR}")
file(GLOB MARGINCORE_CUDA_KERNELS CONFIGURE_DEPENDS "${folder}/kernels/*.cu" "${folder}/kernels/*/*.cu")
set(MARGINCORE_CUDA_SOURCES
  "${folder}/choice_cache.cpp"
  "${folder}/convolution.cpp"
  "${folder}/convolution_detour.cpp"
  "${folder}/convolution_engines.cpp"
  "${folder}/convolution_graph.cpp"
  "${folder}/convolution_legacy.cpp"
  "${folder}/cuda_backend.cpp"
  "${folder}/fastest.cpp"
  "${folder}/matmul.cpp"
  "${folder}/operations/convolution.cpp"
  "${folder}/operations/head.cpp"
  "${folder}/operations/layers.cpp"
  "${folder}/operations/memory.cpp"
  "${folder}/operations/update.cpp"
  "${folder}/plugin.cpp")
