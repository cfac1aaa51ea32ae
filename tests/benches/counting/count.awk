# Requests per client in 10-second windows; the log's keys stand in a fixed order. TZ=UTC LC_ALL=C gawk -f count.awk LOG
BEGIN { FS = "\""; months = "JanFebMarAprMayJunJulAugSepOctNovDec" }
{
    time = substr($4, 2, 20)
    if (!(time in window)) {
        split(time, part, /[\/: ]/)
        month = (index(months, part[2]) + 2) / 3
        seconds = mktime(part[3] " " month " " part[1] " " part[4] " " part[5] " " part[6])
        window[time] = seconds - seconds % 10
    }
    count[window[time] "," $8]++
}
END { for (key in count) print key "," count[key] }
