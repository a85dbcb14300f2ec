# Fails if an object of the loops defines a weak symbol outside its own namespace: such a function (an inline one that
# was not inlined) exists once per instruction set under one name, and the linker keeps any of them. Compiled with
# AVX-512 it would then stop every older processor.
#   cmake -DNM=<nm> -DOBJECTS=<object;…> -P check_loop_symbols.cmake
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND "${NM}" -C --defined-only "${object}" OUTPUT_VARIABLE symbols RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "nm failed on ${object}")
  endif()
  if(NOT symbols MATCHES " margincore::x86_64_v[234]::loops")
    message(FATAL_ERROR "${object} holds no table of loops: this check looks at the wrong file")
  endif()
  # nm marks weak and unique symbols with W, V and u. DW.ref.… is a pointer to how exceptions unwind, and no code.
  string(REGEX MATCHALL "[0-9a-f]+ [WVu] [^\n]*" weak "${symbols}")
  foreach(symbol IN LISTS weak)
    if(NOT symbol MATCHES "^[0-9a-f]+ ([WVu] (.* )?margincore::x86_64_v[234]::|V DW\\.ref\\.)")
      message(SEND_ERROR "${object} defines ${symbol}")
    endif()
  endforeach()
endforeach()
