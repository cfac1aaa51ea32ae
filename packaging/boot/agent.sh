# The life of weir-agent: it takes over from the Java agent, and every line that is written arrives. Run by test-boot.
# shellcheck shell=bash disable=SC2154

written=0
# Appends 100 lines to a log and waits until each of them has arrived.
ship() {
    local log=$1 first=$((written + 1)) what=$2
    write "$log"
    until_true "lines $first to $written arrived $what" arrived
}
write() {
    local last=$((written + 100))
    seq -f "line %.0f" $((written + 1)) $last >>"$root/var/log/app/$1"
    written=$last
}
arrived() { [ "$(sort -u "$work/arrived" | wc -l)" -eq "$written" ]; }
configure() {
    local flows='' log
    for log in "$@"; do
        flows+="${flows:+,}{\"filePattern\": \"/var/log/app/$log\", \"kinesisStream\": \"s\", \"initialPosition\": \"START_OF_FILE\", \"maxBufferAgeMillis\": 1000}"
    done
    echo "{\"kinesis.endpoint\": \"http://127.0.0.1:$port\", \"flows\": [$flows]}" >"$root/etc/aws-kinesis/agent.json"
}

prepare() {
    say "a small Kinesis on this machine's loopback"
    touch "$work/arrived"
    python3 "$here/boot/kinesis.py" "$work/arrived" >"$work/port" &
    helper=$!
    until_true "it listens" test -s "$work/port"
    port=$(cat "$work/port")

    say "dpkg -i $(basename "$old") over an installed Java agent"
    mkdir -p "$root/etc/init.d" "$root/etc/cron.d" "$root/var/log/app" "$root/etc/aws-kinesis"
    printf '#!/bin/sh\ntouch /java-agent-was-asked-to-$1\n' >"$root/etc/init.d/aws-kinesis-agent"
    chmod 755 "$root/etc/init.d/aws-kinesis-agent"
    echo '* * * * * root /usr/bin/aws-kinesis-agent-babysit' >"$root/etc/cron.d/aws-kinesis-agent"
    configure app.log
    chgrp adm "$root/var/log/app" && chmod 750 "$root/var/log/app"
    touch "$root/var/log/app/app.log" "$root/var/log/app/second.log"
    install_before_boot /old.deb
    [ -e "$root/java-agent-was-asked-to-stop" ] || fail "the Java agent was not stopped"
    [ ! -e "$root/etc/init.d/aws-kinesis-agent" ] && [ ! -e "$root/etc/cron.d/aws-kinesis-agent" ] || fail "the Java agent would start again"
    grep -q 'app.log' "$root/etc/aws-kinesis/agent.json" || fail "agent.json was changed"
    printf 'AWS_ACCESS_KEY_ID=id\nAWS_SECRET_ACCESS_KEY=secret\nAWS_DEFAULT_REGION=us-east-1\nAWS_EC2_METADATA_DISABLED=true\n' \
        >>"$root/etc/default/aws-kinesis-agent"
    stat -c '   %A %U:%G %n' "$root/etc/aws-kinesis/agent.json" "$root/etc/default/aws-kinesis-agent" "$root/var/lib/aws-kinesis-agent"
}

live() {
    starts_and_stops
    reloads
    survives
    goes_and_comes_back
    say "lines written $written, arrived $(sort -u "$work/arrived" | wc -l), of them twice $(sort "$work/arrived" | uniq -d | wc -l)"
    arrived || fail "lines were lost"
}

starts_and_stops() {
    until_true "the agent started with the machine" is_ready
    ship app.log "after the boot"
    until_true "the status text is there" eval '[[ "$(property StatusText)" == *"100 records sent"* ]]'
    inside systemctl --no-pager status "$unit" | head -n 12 | sed 's/^/   | /'

    say "service aws-kinesis-agent stop, status, start"
    inside service aws-kinesis-agent stop
    has_property ActiveState inactive || fail "it did not stop"
    echo "   ok: stopped, result $(property Result)"
    ! inside service aws-kinesis-agent status >/dev/null || fail "status of a stopped service is not 0"
    write app.log
    inside service aws-kinesis-agent start
    inside service aws-kinesis-agent status >/dev/null || fail "status of a running service is 0"
    until_true "lines of the time between arrived" arrived
}

reloads() {
    say "reload with a good configuration: a second flow"
    local pid
    pid=$(property MainPID)
    configure app.log second.log
    inside systemctl reload "$unit"
    ship second.log "by the new flow"
    has_property MainPID "$pid" || fail "the reload restarted the agent"

    say "reload with a bad configuration"
    sed -i 's/"maxBufferAgeMillis": 1000/"maxBufferAgeMillis": "soon"/g' "$root/etc/aws-kinesis/agent.json"
    inside systemctl reload "$unit" || true
    until_true "the journal names both problems" eval 'journal_has "flows[0].maxBufferAgeMillis is \"soon\"" && journal_has "flows[1].maxBufferAgeMillis is \"soon\""'
    is_ready && has_property MainPID "$pid" || fail "a bad configuration ended the agent"
    ship app.log "although the file is wrong"

    say "a start with the bad configuration fails with its reason and is not repeated"
    fails_for_good
    configure app.log second.log
    write second.log
    inside systemctl reset-failed "$unit"
    inside systemctl start "$unit"
    until_true "lines of the time between arrived" arrived
}

survives() {
    say "watchdog: SIGSTOP"
    local pid
    mkdir -p "$root/etc/systemd/system/$unit.d"
    printf '[Service]\nWatchdogSec=2\n' >"$root/etc/systemd/system/$unit.d/test.conf"
    inside systemctl daemon-reload
    inside systemctl restart "$unit"
    pid=$(property MainPID)
    signal STOP "$pid"
    write app.log
    until_true "systemd restarted the stopped agent" has_other_pid "$pid"
    until_true "it runs again" is_ready
    until_true "lines of the time between arrived" arrived
    journal_has "Watchdog timeout" || inside journalctl --no-pager -n 200 | grep -q "Watchdog timeout" || fail "it was not the watchdog"

    say "kill -9"
    write second.log
    kill_and_see_it_restarted
    until_true "lines of the time between arrived" arrived
    echo "   restarts by systemd: $(property NRestarts)"
}

goes_and_comes_back() {
    say "upgrade: dpkg -i $(basename "$new")"
    write app.log
    upgrade
    ship second.log "after the upgrade"

    say "remove"
    remove
    [ -e "$root/etc/aws-kinesis/agent.json" ] && ls "$root"/var/lib/aws-kinesis-agent/*.json >/dev/null || fail "configuration or state went"
    echo "   ok: configuration and state stayed"

    say "installed again, it goes on where it ended"
    write app.log
    inside dpkg -i /new.deb
    until_true "it runs" is_ready
    until_true "lines of the time between arrived" arrived

    say "purge"
    inside dpkg -P weir-agent
    for path in etc/aws-kinesis etc/default/aws-kinesis-agent var/lib/aws-kinesis-agent var/log/aws-kinesis-agent; do
        [ ! -e "$root/$path" ] || fail "$path stayed"
    done
    ! inside getent passwd aws-kinesis-agent-user >/dev/null || fail "the user stayed"
    echo "   ok: nothing stayed"
}
