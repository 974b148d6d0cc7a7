#!/bin/sh
# Build the missing images of prepared hosts, and print "SUITE IMAGE" for each suite named. Run from the checkout's top.
#
#   build.sh bookworm trixie
#
# A prepared host already has the example site, deployed by the collection under test (LAB_COLLECTION, or else the checkout); it
# is stopped cleanly and committed to an image. The image's name contains a digest of everything that went into it, so that an
# image of another collection, source, inventory or base is never mistaken for it. An image is named only when it is complete:
# what a cut-off run leaves behind has no name.
# shellcheck disable=SC2086 # $podman, $runtime and lists of suites are words
set -eu

here=tests/prepared
inventory=$here/inventory
checkout=$PWD

podman=podman
[ "$(id -u)" = 0 ] || podman='sudo podman'

collection=$(tests/lab/bin/collection-digest "${LAB_COLLECTION:-.}")
files=$(git ls-files --cached --others --exclude-standard -- tests/example $here)
inputs=$(printf '%s\n' "$files" | xargs --delimiter='\n' sha256sum)

image_of() {
    base=$($podman image inspect --format '{{.Id}}' "localhost/pitcrew-lab:$1")
    digest=$(printf '%s\n' "$collection" "$base" "$inputs" | sha256sum | cut -c1-16)
    echo "localhost/pitcrew-lab-prepared:$1-$digest"
}

# A new machine creates its own identity at its first boot.
FREEZE='
rm -rf /etc/ssh/ssh_host_* /etc/ssh/authorized_keys.d/* /var/lib/dbus/machine-id /var/lib/systemd/random-seed
rm -rf /var/log/journal ~ansible/.ansible ~root/.ansible/tmp/*
: > /etc/machine-id
'

# Remove old images of this checkout, and those of checkouts that no longer exist. An image that a host runs on stays.
remove_old() {
    $podman image ls --filter label=pitcrew.prepared --format '{{.Id}} {{index .Labels "pitcrew.prepared"}} {{index .Labels "pitcrew.checkout"}}' |
        while read -r id of made_in; do
            if [ ! -d "$made_in" ] || { [ "$made_in" = "$checkout" ] && [ "$of" = "$1" ]; }; then
                $podman image rm "$id" >&2 || true
            fi
        done
}

mkdir -p .cache
exec 9>.cache/prepared.lock
flock 9

tests/lab/image/build.sh "$@" >&2
missing=
for suite in "$@"; do
    $podman image exists "$(image_of "$suite")" || missing="$missing $suite"
done

if [ -n "$missing" ]; then
    export ANSIBLE_CONFIG=tests/lab/ansible.cfg
    limit=--limit=$(echo $missing | tr ' ' ',')
    play() {
        ansible-playbook --inventory "$inventory" "$@" >&2 </dev/null 9>&-
    }
    play tests/lab/destroy.yml
    play "$limit" tests/lab/create.yml
    play "$limit" pitcrew.django.deploy
    for suite in $missing; do
        host=$($podman ps --quiet --filter name=pitcrew-prepared- \
            --filter "label=pitcrew.checkout=$checkout" --filter "label=pitcrew.host=$suite")
        $podman exec "$host" sh -euc "$FREEZE"
        $podman stop --time=60 "$host" >&2
        remove_old "$suite"
        $podman commit --quiet \
            --change "LABEL pitcrew.prepared=$suite" \
            --change "LABEL pitcrew.collection=$collection" \
            --change "LABEL pitcrew.checkout=$checkout" \
            "$host" "$(image_of "$suite")" >&2
    done
    play tests/lab/destroy.yml
fi

for suite in "$@"; do
    echo "$suite $(image_of "$suite")"
done
