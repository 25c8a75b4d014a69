# SPDX-License-Identifier: MIT
# The picture of spawn-bench's data: gnuplot -c spawn.gp DIRECTORY OUTPUT.svg (or .png). Values are drawn at equal distances: each panel
# begins with 0 or 1 and has few values.
directory = ARG1
set terminal svg size 1200,900 font "sans-serif,14" background rgb "white" dynamic
if (ARG2[strlen(ARG2)-3:] eq ".png") set terminal pngcairo size 1200,900 font "sans-serif,10" background rgb "white"
set output ARG2
set datafile missing "?"
set encoding utf8

style(i) = int(i)

# One colour per family: the reference green, the floor black, libc blue, fork and spawns built on it warm.
names = "reference/copy reference/unshare reference/staged reference/fetched reference/except bare posix_spawn posix_spawn/closefrom vfork fork libuv glib boost"
set style line 1 lc rgb "#8bc48a" lw 2 pt 4 ps 0.8
set style line 2 lc rgb "#4f9d4f" lw 2 pt 8 ps 0.8
set style line 3 lc rgb "#1b7837" lw 3 pt 5 ps 0.9
set style line 4 lc rgb "#00441b" lw 3 pt 9 ps 0.9
set style line 5 lc rgb "#a6d96a" lw 2 pt 13 ps 0.9
set style line 6 lc rgb "#000000" lw 2 pt 7 ps 0.7 dt 2
set style line 7 lc rgb "#6baed6" lw 2 pt 6 ps 0.8
set style line 8 lc rgb "#08519c" lw 2 pt 7 ps 0.8
set style line 9 lc rgb "#7f7f7f" lw 2 pt 10 ps 0.8
set style line 10 lc rgb "#d7301f" lw 2 pt 11 ps 0.8
set style line 11 lc rgb "#fc8d59" lw 2 pt 12 ps 0.8
set style line 12 lc rgb "#e6ab02" lw 2 pt 14 ps 0.8
set style line 13 lc rgb "#8c510a" lw 2 pt 1 ps 0.8

# True if the data has that column.
has(name) = strstrt(header, "\"".name."\"") > 0
header = system(sprintf("head -n 1 '%s/descriptors.dat'", directory))
column_of(name) = words(header[1:strstrt(header, "\"".name."\"")]) 
shown = ""
do for [i=1:words(names)] { if (has(word(names, i))) { shown = shown." ".i } }

set border 3 lc rgb "#555555"
set tics nomirror out scale 0.5
set grid ytics mytics lc rgb "#d5d5d5" lt 1 lw 0.7, lc rgb "#eeeeee" lt 1 lw 0.4
set logscale y
set format y "%'.0f"
set xrange [-0.2:*]
set offsets 0, 0.2, 0, 0
set multiplot layout 2,2 margins 0.075, 0.985, 0.15, 0.915 spacing 0.075, 0.13 \
  title "Start a program that does nothing, and wait for it: medians of one run" font ",16"

unset key
panel(name) = sprintf("%s/%s.dat", directory, name)
set ylabel "µs, log scale" offset 1,0

set title "Open descriptors, three kept" offset 0,-0.5
set xlabel "open descriptors" offset 0,0.5
plot for [s in shown] panel("descriptors") skip 1 using 0:(column(column_of(word(names, s+0)))):xtic(1) with linespoints ls style(s)

set title "Resident memory, nothing kept"
set xlabel "resident, MiB"
plot for [s in shown] panel("memory") skip 1 using 0:(column(column_of(word(names, s+0)))):xtic(1) with linespoints ls style(s)

set title "Kept descriptors, no more open"
set xlabel "kept descriptors"
plot for [s in shown] panel("kept") skip 1 using 0:(column(column_of(word(names, s+0)))):xtic(1) with linespoints ls style(s)

set title "Threads that spawn, three kept: throughput"
set xlabel "threads"
set ylabel "spawns per second, log scale"
plot for [s in shown] panel("threads") skip 1 using 0:(column(column_of(word(names, s+0)))):xtic(1) with linespoints ls style(s)

# One legend, over the whole width: a plot of nothing.
set lmargin at screen 0.05
set rmargin at screen 0.95
set bmargin at screen 0.01
set tmargin at screen 0.085
unset title; unset border; unset tics; unset grid; unset xlabel; unset ylabel; unset logscale
set xrange [0:1]
set yrange [0:1]
set key center center horizontal Left reverse maxcols 5 noenhanced samplen 3 width 2
plot for [s in shown] NaN with linespoints ls style(s) title word(names, s+0)
unset multiplot
