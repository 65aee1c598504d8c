# SPDX-License-Identifier: Apache-2.0
#
# complete.bash SCRIPT WORD...: what the completion in SCRIPT offers for the last word, a line each. bash itself takes
# --flag=value apart, so a caller writes three words.
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMPREPLY=()
_attnrt
printf '%s\n' "${COMPREPLY[@]}"
