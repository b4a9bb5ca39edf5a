# What logcat prints: reads lines of seconds, milliseconds, buffer, user, process, thread, level, tag and text.
BEGIN {
    FS = "\t"
    file = "/dev/phone/log"
    levels = "VDIWEFS"
    lowest = silent ? "S" : "V"
    number = split(filters, given, " ")
    for (i = 1; i <= number; i++) {
        at = match(given[i], /:[^:]*$/)
        tag = at ? substr(given[i], 1, at - 1) : given[i]
        level = at ? toupper(substr(given[i], at + 1, 1)) : "V"
        if (level == "*") level = "V"
        if (tag == "*") lowest = level
        else wanted[tag] = level
    }
    while ((getline < file) > 0) show()
    for (i = count == "" ? 1 : last - count + 1; i <= last; i++) if (i > 0) out(kept[i], from[i])
    count = ""
    while (follow) {
        system("exec /apex/standins/busybox usleep 50000")
        close(file)
        skipped = 0
        while ((getline < file) > 0) if (++skipped > seen) show()
    }
}

function show(    day) {
    seen++
    if (index(buffers, "," $3 ",") == 0 || (pid != "" && $5 != pid) || (uid != "" && $4 != uid)) return
    if (index(levels, $7) < index(levels, ($8 in wanted) ? wanted[$8] : lowest)) return
    day = strftime("%m-%d %H:%M:%S", $1) "." $2
    if (since ~ /^[0-9]+\.[0-9]*$/) { if (($1 "." $2) + 0 < since + 0) return }
    else if (since ~ /^[0-9][0-9][0-9][0-9]-/) { if (strftime("%Y-", $1) day < since) return }
    else if (since != "" && day < since) return
    if (modifiers ~ / epoch /) day = sprintf("%15s", $1 "." $2)
    else if (modifiers ~ / year /) day = strftime("%Y-", $1) day
    if (modifiers ~ / UTC /) day = day " +0000"
    line = sprintf("%s %5d %5d %s %-8s: %s", day, $5, $6, $7, $8, $9)
    if (count == "") out(line, $3)
    else { kept[++last] = line; from[last] = $3 }
}

function out(line, buffer) {
    if (!(buffer in begun)) {
        begun[buffer] = 1
        print "--------- beginning of " buffer
    }
    print line
    fflush()
}
