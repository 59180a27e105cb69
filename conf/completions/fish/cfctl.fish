# fish completion for cfctl: cfctl itself says what may come next, and asks the daemon for names.
function __cfctl_complete
    set -l tokens (commandline -opc)
    set -l current (commandline -ct | string unescape)
    test (count $current) -gt 0; or set current ''
    set -l found ($tokens[1] completion words -- $tokens[2..-1] $current 2>/dev/null)
    switch "$found[1]"
        case ':files'
            __fish_complete_path $current
        case ':dirs'
            __fish_complete_directories $current
        case '*'
            printf '%s\n' $found
    end
end
complete -c cfctl -f -a '(__cfctl_complete)'
