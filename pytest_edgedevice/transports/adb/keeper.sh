# Keeps one session on a device: the first program of every session over adb, as the text of `sh -c`.
#
# Set before it: T a word that begins each answer, R a random word, B the folder for sessions (empty: choose one),
# TTL the longest silence of the host in seconds, TICK a fifth of it. Runs in mksh with toybox, busybox ash, and dash with coreutils;
# what is not built into all of them: mkdir, rm, rmdir, sleep, stat, and flock where there is one.
# When its input ends, or is silent for TTL, it ends every process that names the session's folder in its
# environment, or works in it, and removes the folder.
set -f
umask 077
trap '' HUP INT PIPE TERM
say() { echo "$T $*"; }
reply() { say "$N $*"; } # N: the number of the request, so that no answer is taken for that of another
fail() { say "failed $*"; exit 1; }

# start_of PID: sets S to when a process was started; the number alone may be another's by now
start_of() {
    S=
    { read -r S <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${S##*) }
    [ $# -gt 19 ] || { S=; return 1; }
    shift 19
    S=$1
}

# lives NAME: whether the keeper that made session-RANDOM-PID-START is alive
lives() {
    set -- "${1%-*}" "${1##*-}"
    start_of "${1##*-}" && [ "$S" = "$2" ]
}

# ours FOLDER: whether nobody else could have put it there, or can change it
ours() {
    [ -d "$1" ] || return 1
    [ -O "$1" ] || [ "$(stat -Lc %u "$1" 2>/dev/null)" = 0 ]
}

# belongs PID FOLDER: whether a process is a session's; where it works tells it also of one that is just becoming another
# program, whose environment is that of before, or none
belongs() {
    [ "/proc/$1/cwd" -ef "$2" ] && return 0
    while IFS= read -r E || [ -n "$E" ]; do
        case $E in *"EDGEDEVICE_SESSION=$2"*) return 0 ;; esac
    done <"/proc/$1/environ"
    return 1
}

# finish FOLDER: ends every process of a session and removes its folder; sets K to how many there were
finish() {
    K=0 seen=' ' rounds=0 more=1
    # a program that is just being started goes there, and then looks for this: it is seen here, or ends itself
    rm -f "$1/.keeper" 2>/dev/null
    while [ "$more" = 1 ] && [ "$rounds" -lt 40 ]; do
        more=0 rounds=$((rounds + 1))
        set +f
        for P in /proc/[0-9]*; do
            P=${P#/proc/}
            [ "$P" != $$ ] && belongs "$P" "$1" 2>/dev/null || continue
            kill -9 "$P" 2>/dev/null || continue
            more=1
            case $seen in *" $P "*) ;; *) seen="$seen$P " K=$((K + 1)) ;; esac
        done
        set -f
        [ "$more" = 0 ] || sleep 0.05 2>/dev/null || sleep 1
    done
    rm -rf "$1" 2>/dev/null
}

# sweep NAME: finish a session whose keeper is dead
sweep() {
    [ ! -L "$B/$1" ] && [ -d "$B/$1" ] && [ -O "$B/$1" ] || return 1
    lives "$1" && return 2
    finish "$B/$1"
    [ ! -e "$B/$1" ] && reply "swept $1 $K"
}

sweep_all() {
    set +f
    for G in "$B"/session-*-*-*; do
        set -f
        [ -n "$LIMIT" ] || echo "$G" >"$F/.beat" # this may take longer than the host may be silent
        [ "$G" = "$F" ] || sweep "${G##*/}"
    done
    set -f
}

D=/data/local/tmp C=
[ -d $D ] && [ -w $D ] || D=/tmp
if [ -z "$B" ]; then
    B=$D/edgedevice C=1
    [ -L "$B" ] && fail "foreign $B"
    # root and the shell's user take turns on phones whose maker allows it
    [ -d "$B" ] && ! { ours "$B" && [ -w "$B" ] && [ -x "$B" ]; } && B=$B-$(id -u 2>/dev/null)
fi
start_of $$ || fail "proc"
F=$B/session-$R-$$-$S
# another keeper that leaves may remove the empty folder between any two steps: only what lasts is a fault
A=0
while :; do
    A=$((A + 1)) X=
    if ! W=$(mkdir -p "$B" 2>&1); then X="mkdir $W"
    elif [ -n "$C" ] && [ -L "$B" ]; then X="foreign $B"
    elif ! ours "$B"; then X="foreign $B"
    elif ! W=$(mkdir "$F" 2>&1); then X="mkdir $W"
    fi
    [ -z "$X" ] && break
    [ "$A" -lt 10 ] || fail "$X"
done
# programs look for it: a folder without it is not a session's any more
W=$(: 2>&1 >"$F/.keeper") || { rmdir "$F"; fail "mkdir $W"; }

LOCK=$D/edgedevice.lock HOLDER=$D/edgedevice.holder LINE=$D/edgedevice.line FLOCK= MINE= HELD=
for X in flock 'toybox flock' 'busybox flock'; do
    set -- $X
    if "$@" -n 8 8>"$F/.flock" 2>/dev/null; then FLOCK=$X; break; fi
done
rm -f "$F/.flock"

# place: sets A to the number of those who have waited for longer than we have, in the line of tickets NUMBER-PID-START
place() {
    A=0 Z=1000000
    set +f
    for G in "$LINE"/[0-9]*-[0-9]*-[0-9]*; do
        G=${G##*/}
        [ "$G" = "$MINE" ] && break
        case ${G%%-*} in 0* | *[!0-9]* | ???????????*) continue ;; esac
        if lives "$G"; then A=$((A + 1)) Z=${G%%-*}; else rm -f "$LINE/$G" 2>/dev/null; fi
    done
    set -f
    [ -n "$MINE" ] && return
    start_of $$
    MINE=$((Z + 1))-$$-$S
    # another keeper may have removed the empty folder of the line just now
    (umask 0; mkdir -p "$LINE") 2>/dev/null
    # in a shell of its own: dash ends when one of its own commands cannot open a file
    (: >"$LINE/$MINE") 2>/dev/null || MINE=
}

# holder: sets H to the holder's record, P and S to its keeper
holder() { H= P= S=; [ -f "$HOLDER" ] && { read -r H P S <"$HOLDER"; } 2>/dev/null; [ -n "$H" ] || H=-; }

lock() { # RECORD
    [ -n "$FLOCK" ] || { reply "lock none"; return; }
    [ "$HELD" = yes ] && { reply "lock taken -"; return; }
    if [ -z "$HELD" ]; then
        # what is neither a file nor a folder may keep whoever opens it waiting for ever
        for X in "$LOCK" "$HOLDER" "$LINE"; do
            [ -L "$X" ] || { [ -e "$X" ] && [ ! -f "$X" ] && [ ! -d "$X" ]; } && { reply "lock broken $X"; return; }
        done
        (umask 0; : >>"$LOCK") 2>/dev/null
        # a shell ends when `exec` cannot open a file, so that another one tries it; and where users share a folder,
        # the kernel may refuse to open another's file for writing
        [ -f "$LOCK" ] && (exec 9<"$LOCK") 2>/dev/null || { reply "lock broken $LOCK"; return; }
        exec 9<"$LOCK"
        HELD=no
    fi
    place
    holder
    # no program is started for as long as the holder lives: it may be measuring;
    # mksh closes what exec has opened for other programs, unless it is named
    if [ "$A" = 0 ] && ! lives "x-$P-$S" && $FLOCK -n 9 9<&9 2>/dev/null; then
        HELD=yes
        rm -f "$LINE/$MINE" 2>/dev/null
        start_of $$
        (umask 0; echo "$1 $$ $S" >"$HOLDER") 2>/dev/null
        reply "lock taken $H"
    else
        reply "lock busy $H $((A + 1))"
    fi
}

# the end of a session; with an answer when the host asked for it
leave() {
    finish "$F"
    [ -n "$MINE" ] && [ "$HELD" != yes ] && rm -f "$LINE/$MINE" 2>/dev/null
    [ -n "$C" ] && rmdir "$B" 2>/dev/null
    rmdir "$LINE" 2>/dev/null
    if [ -n "$1" ]; then
        # the lock's own file stays: a name that is made anew would be another lock
        [ "$HELD" = yes ] && rm -f "$HOLDER" 2>/dev/null
        [ -n "$HELD" ] && exec 9>&-
        reply "gone"
    fi
    kill -9 -$$
}

# where `read` has no time limit of its own, somebody else looks whether the host is heard
(read -t 1 X </dev/null) 2>/dev/null
if [ $? -le 1 ]; then
    LIMIT="-t $TTL"
else
    LIMIT=
    echo 0 >"$F/.beat"
    (
        O=none A=0
        while [ "$A" -lt 5 ] && sleep "$TICK"; do
            { read -r X <"$F/.beat"; } 2>/dev/null
            if [ "$X" = "$O" ]; then A=$((A + 1)); else A=0 O=$X; fi
        done
        kill -STOP $$ # with the lock, if it has it: until all is clean
        leave
    ) </dev/null >/dev/null 2>&1 &
fi

[ -n "$FLOCK" ] && X=lock || X=none
say "hello ${F##*/} $X $B"
while IFS= read $LIMIT -r Q; do
    set -- $Q
    [ $# -gt 1 ] || continue
    N=$1
    shift
    case $1 in
    beat)
        [ -n "$LIMIT" ] || echo "$2" >"$F/.beat"
        reply "alive $2"
        ;;
    kill) kill -9 "-$2" 2>/dev/null; reply "killed $2" ;;
    lock) lock "$2" ;;
    sweep) sweep_all; reply "sweep done" ;;
    clean) sweep "$2"; reply "clean $?" ;;
    bye) leave bye ;;
    esac
done
leave
