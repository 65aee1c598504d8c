# SPDX-License-Identifier: Apache-2.0
#
# examples/mpi as installed: built against the installed package, run by 1, 2 and 4 ranks. The program itself compares
# with the unsplit result.
cmake_minimum_required(VERSION 3.22)

function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "exit status ${status} of: ${line}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
file(COPY ${PREFIX}/share/attnrt/examples/mpi/ DESTINATION ${WORK}/source)
must(${CMAKE_COMMAND} -G Ninja -S ${WORK}/source -B ${WORK}/build -DCMAKE_PREFIX_PATH=${PREFIX}
     -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror")
must(${CMAKE_COMMAND} --build ${WORK}/build)

# Open MPI counts cores and looks at the user; other launchers do not know these names and leave them alone.
set(ENV{OMPI_ALLOW_RUN_AS_ROOT} 1)
set(ENV{OMPI_ALLOW_RUN_AS_ROOT_CONFIRM} 1)
set(ENV{OMPI_MCA_rmaps_base_oversubscribe} 1)
set(ENV{OMPI_MCA_btl_vader_single_copy_mechanism} none)
foreach(ranks 1 2 4)
  must(${MPIRUN} -n ${ranks} ${WORK}/build/split_context)
  if(NOT out MATCHES "${ranks} ranks: split and unsplit differ by at most")
    message(FATAL_ERROR "${ranks} ranks printed:\n${out}")
  endif()
endforeach()
