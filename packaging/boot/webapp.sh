# The life of weir-webapp: it serves, and a photo that was uploaded is there after everything that happens. Run by test-boot.
# shellcheck shell=bash disable=SC2154

photos=0
browse() { curl -sS --fail --max-time 60 -b "$work/cookies" -c "$work/cookies" "$@"; }
front() { browse "$site/web-demo/index.php"; }
# The first match of a pattern in the front page. The page is read whole first: who stops reading breaks the pipe.
in_front() { local page; page=$(front); grep -o -m1 "$1" <<<"$page"; }
token() { in_front 'name="csrf" value="[0-9a-f]*"' | cut -d'"' -f4; }
sign_in() {
    browse -o /dev/null --data username=Ann "$site/web-demo/index.php"
    in_front '<bdi>Ann</bdi>' >/dev/null || fail "nobody is signed in"
}
# Uploads a photo unlike the others, one of the demo's with comments of 600 KB; further arguments are curl's.
upload() {
    photos=$((photos + 1))
    python3 - "$work/demo.jpg" "$work/photo.jpg" $photos <<'P'
import sys
photo = open(sys.argv[1], "rb").read()
comment = b"\xff\xfe\xea\x62" + sys.argv[3].encode() * 60_000
open(sys.argv[2], "wb").write(photo[:2] + comment * 10 + photo[2:])
P
    browse "$@" -o /dev/null -w '%{http_code}\n' -F "csrf=$(token)" -F "fileToUpload=@$work/photo.jpg" "$site/web-demo/index.php" >"$work/answer"
}
was_uploaded() { grep -q '^[23]' "$work/answer"; }
# Every photo of Ann's, and its small version in both formats.
all_there() {
    local page shown=0 address
    page=$(browse "$site/web-demo/index.php")
    for address in $(grep -o '/web-demo/photos/[0-9]*"' <<<"$page" | tr -d '"'); do
        [[ "$(browse "$site$address")" != *'<strong><bdi>Ann</bdi></strong> <span class="quiet">·'* ]] || shown=$((shown + 1))
    done
    for address in $(grep -o '/web-demo/uploads/[0-9a-f]*-small\.[a-z]*' <<<"$page" | sort -u); do
        browse -o /dev/null "$site$address" || return 1
    done
    [ "$shown" -eq "$photos" ]
}
last_line() { tail -n1 "$root/var/log/weir-webapp/access.log"; }

prepare() {
    say "dpkg -i $(basename "$old")"
    install_before_boot /old.deb | tee "$work/told"
    grep -q 'next: weir-webapp init' "$work/told" || fail "it does not say what comes next"
    [ ! -e "$root/etc/systemd/system/multi-user.target.wants/$unit" ] || fail "an installation alone starts it"
    chroot "$root" weir-webapp init --out /etc/weir/webapp.toml
    chroot "$root" chgrp weir-webapp /etc/weir/webapp.toml
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    site=http://127.0.0.1:$port
    echo "WEBAPP_LISTEN=127.0.0.1:$port" >"$root/etc/default/weir-webapp"
    chroot "$root" stat -c '   %A %U:%G %n' /etc/weir/webapp.toml
}

live() {
    serves
    survives
    goes_and_comes_back
}

serves() {
    say "systemctl enable --now"
    inside systemctl enable --now "$unit"
    until_true "it runs" is_ready
    inside systemctl --no-pager status "$unit" | head -n 8 | sed 's/^/   | /'
    [ "$(front | grep -c '<img ')" -eq 10 ] || fail "the page has no demo pictures"
    browse -o "$work/demo.jpg" "$site$(in_front '/web-demo/uploads/[0-9a-f]*-small.jpg' | head -n1 | sed 's/-small//')"
    sign_in
    upload
    was_uploaded || fail "an upload was answered with $(cat "$work/answer")"
    all_there || fail "the photo is not there"
    echo "   ok: a page, a login and a photo"
    inside weir-webapp doctor --config /etc/weir/webapp.toml --data-dir /var/lib/weir-webapp --access-log /var/log/weir-webapp/access.log --reader root |
        grep -v 'own port' | sed 's/^/   | /'
    until_true "the access log has it" eval 'last_line | grep -q "\"http_method\":\"GET\""'
    inside stat -c '   %A %U:%G %n' /var/log/weir-webapp /var/log/weir-webapp/access.log /var/lib/weir-webapp

    say "the access log is moved away; reload"
    mv "$root/var/log/weir-webapp/access.log" "$root/var/log/weir-webapp/access.log.1"
    inside systemctl reload "$unit"
    until_true "there is a new one" test -e "$root/var/log/weir-webapp/access.log"
    front >/dev/null
    until_true "it has the next request" eval 'last_line | grep -q index.php'
}

survives() {
    say "kill -9"
    kill_and_see_it_restarted
    sign_in
    until_true "the photo is there" all_there

    say "SIGTERM while a photo is being uploaded"
    upload --limit-rate 150k &
    local uploading=$!
    photos=$((photos + 1)) # in the other process, too
    until_true "the upload is on its way" eval 'ls -A "$root/var/lib/weir-webapp/incoming" | grep -q .'
    inside systemctl stop "$unit"
    wait "$uploading"
    was_uploaded || fail "the upload was answered with $(cat "$work/answer")"
    has_property Result success && has_property ExecMainStatus 0 || fail "it did not end well: $(property Result)"
    inside systemctl start "$unit"
    sign_in
    until_true "both photos are there" all_there

    say "settings that are wrong fail with their reason and are not tried again"
    echo 'WEBAPP_LISTEN=nowhere' >"$root/etc/default/weir-webapp"
    fails_for_good
    echo "WEBAPP_LISTEN=127.0.0.1:$port" >"$root/etc/default/weir-webapp"
    inside systemctl reset-failed "$unit"
    inside systemctl start "$unit"
}

goes_and_comes_back() {
    say "upgrade: dpkg -i $(basename "$new")"
    upgrade
    sign_in
    until_true "the photos are there" all_there
    upload
    was_uploaded || fail "an upload was answered with $(cat "$work/answer")"

    say "remove"
    remove
    [ -e "$root/etc/weir/webapp.toml" ] && [ -e "$root/var/lib/weir-webapp/webapp.sqlite" ] || fail "settings or photos went"
    say "installed again"
    inside dpkg -i /new.deb
    inside systemctl start "$unit"
    until_true "it runs" is_ready
    sign_in
    until_true "all $photos photos are there" all_there

    say "purge"
    inside dpkg -P weir-webapp | tee "$work/told"
    grep -q '/var/lib/weir-webapp keeps the photos' "$work/told" || fail "it does not say that photos stay"
    [ -e "$root/var/lib/weir-webapp/webapp.sqlite" ] || fail "photos went"
    for path in etc/weir etc/default/weir-webapp var/log/weir-webapp; do
        [ ! -e "$root/$path" ] || fail "$path stayed"
    done
    echo "   ok: the photos stayed, and nothing else"
}
