# SPDX-License-Identifier: MIT
# Completion for bash: commands and options are asked of the command's own --help, so that they are always its own.
# Installed as share/bash-completion/completions/spawncheck.

_spawncheck() {
  local tool=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command='' i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      --) return ;;  # audit's: bash completes the rest as files
      -*) ;;
      *) command=${COMP_WORDS[i]}; break ;;
    esac
  done
  local words
  case $command:$before in
    :*) words="$("$tool" --help 2>/dev/null | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p') --help --version" ;;
    *:--implementation) words=$("$tool" list implementations 2>/dev/null | sed -n 's/^\([^ ][^ ]*\) .*/\1/p') ;;
    help:*) words=$("$tool" list clauses 2>/dev/null | sed -n 's/^\([a-z]*\.[a-z_]*\) .*/\1/p') ;;
    list:*) words='ops clauses implementations mutants' ;;
    *)
      case $word in
        -*) words=$("$tool" "$command" --help 2>/dev/null | grep -o -e '^ *\(-[a-z],\)\?--[a-z-]*' | grep -o -e '--[a-z-]*') ;;
      esac
      ;;
  esac
  [ -z "${words:-}" ] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _spawncheck spawncheck
