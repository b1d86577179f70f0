/**
 * What makes a shell complete `keymount`. Each script asks `keymount completion words` for the possible words of the command
 * line that is typed, one per line with a tab and a description; a line `:files` stands for names of files.
 */
export function completionScript(shell: 'bash' | 'zsh' | 'fish'): string {
  return scripts[shell]
}

const scripts = {
  bash: `_keymount() {
  local line
  COMPREPLY=()
  while IFS=$'\\t' read -r line _; do
    if [ "$line" = :files ]; then
      compopt -o default
    else
      COMPREPLY+=("$line")
    fi
  done < <(keymount completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _keymount keymount
`,
  zsh: `_keymount() {
  local line
  local -a found
  while IFS= read -r line; do
    if [[ $line = :files ]]; then
      _files
    else
      found+=("\${\${line//:/\\\\:}/$'\\t'/:}")
    fi
  done < <(keymount completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#found )) && _describe keymount found
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _keymount keymount
`,
  fish: `function __keymount_complete
    set -l typed (commandline -opc) (commandline -ct)
    set -l found (keymount completion words -- $typed[2..-1] 2>/dev/null)
    if contains -- :files $found
        __fish_complete_path (commandline -ct)
    end
    string match --invert -- :files $found
end
complete --command keymount --no-files --arguments '(__keymount_complete)'
`,
} as const
