# The life of weir-analytics: it follows a log with the tutorial's program, and every request is counted in one window, once.
# Run by test-boot.
# shellcheck shell=bash disable=SC2154

second=0
written=0
# Appends the requests of five windows of ten seconds, from three clients.
write() {
    local end=$((second + 50)) at
    while [ $second -lt $end ]; do
        at=$(date -u -d "@$((1800000000 + second))" '+%d/%b/%Y:%H:%M:%S +0000')
        printf '{ "request_time":"[%s]", "client_ip":"192.0.2.%d", "client_hostname":"h", "server_ip":"192.0.2.99", "request":"/", "http_method":"GET", "status":"200", "size":"1", "userAgent":"test", "referer":"-" }\n' \
            "$at" $((second % 3)) >>"$root/var/log/app/access.log"
        second=$((second + 1))
    done
    written=$((written + 50))
}
# The last window stays open until a request of the next one comes.
counted() { [ "$(counts | sum)" -eq $((written - 10)) ] && [ -z "$(counts | cut -d, -f1,2 | uniq -d)" ]; }
# Window, client, number.
counts() { sed -n 's/.*"ROWTIME":"\([^"]*\)".*"CLIENT_IP":"\([^"]*\)".*"REQUEST_COUNT":\([0-9]*\).*/\1,\2,\3/p' "$root/var/lib/private/weir-analytics/results.jsonl" | sort; }
sum() { awk -F, '{ all += $3 } END { print all + 0 }'; }
count_more() {
    write
    until_true "$written requests, all but the open window counted once, $1" counted
}

prepare() {
    say "dpkg -i $(basename "$old")"
    mkdir -p "$root/var/log/app"
    : >"$root/var/log/app/access.log"
    chgrp -R adm "$root/var/log/app" && chmod 750 "$root/var/log/app"
    install_before_boot /old.deb
    [ ! -e "$root/etc/systemd/system/multi-user.target.wants/$unit" ] || fail "an installation alone starts it"
    echo "ANALYTICS_ARGS=/etc/weir-analytics/program.sql --input /var/log/app/access.log --follow --checkpoint /var/lib/weir-analytics/checkpoint --checkpoint-interval 1s --sink DESTINATION_SQL_STREAM=jsonl:/var/lib/weir-analytics/results.jsonl" \
        >"$root/etc/default/weir-analytics"
    stat -c '   %A %U:%G %n' "$root/etc/weir-analytics/program.sql" "$root/etc/default/weir-analytics"
}

live() {
    say "systemctl enable --now"
    inside systemctl enable --now "$unit"
    until_true "it runs" is_ready
    count_more "after the start"
    inside systemctl --no-pager status "$unit" | head -n 8 | sed 's/^/   | /'

    say "kill -9"
    write
    kill_and_see_it_restarted
    count_more "after the crash"

    say "SIGTERM: what was read is finished and kept"
    write
    inside systemctl stop "$unit"
    has_property Result success && has_property ExecMainStatus 0 || fail "it did not end well: $(property Result)"
    journal_has "kept in the checkpoint" || fail "it does not say what it kept"
    inside systemctl start "$unit"
    count_more "over the stop"

    say "a program that is wrong fails with its reason and is not repeated"
    cp "$root/etc/weir-analytics/program.sql" "$work/program.sql"
    echo 'SELECT nothing;' >"$root/etc/weir-analytics/program.sql"
    fails_for_good
    cp "$work/program.sql" "$root/etc/weir-analytics/program.sql"
    inside systemctl reset-failed "$unit"
    inside systemctl start "$unit"
    count_more "with the right one"

    say "upgrade: dpkg -i $(basename "$new")"
    write
    upgrade
    count_more "after the upgrade"

    say "remove"
    remove
    [ -e "$root/etc/weir-analytics/program.sql" ] && [ -d "$root/var/lib/private/weir-analytics/checkpoint" ] || fail "configuration or state went"
    say "installed again, it goes on where it ended"
    write
    inside dpkg -i /new.deb
    inside systemctl start "$unit"
    count_more "over the removal"

    say "purge"
    inside dpkg -P weir-analytics
    for path in etc/weir-analytics etc/default/weir-analytics var/lib/weir-analytics var/lib/private/weir-analytics; do
        [ ! -e "$root/$path" ] || fail "$path stayed"
    done
    echo "   ok: nothing stayed"
}
