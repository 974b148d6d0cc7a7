#!/bin/sh
# Build localhost/pitcrew-lab:<suite> for each suite named, unless it exists and neither its inputs nor the week
# has changed. The inputs are the files of this directory and this machine's certificate authorities.
#
#   build.sh bookworm trixie
#
# The base system comes from docker.io if that answers; otherwise mmdebstrap creates one from a Debian mirror.
# An image contains the certificate authorities of the machine that built it: do not publish it.
# shellcheck disable=SC2086 # $podman, $runtime and $volume are lists of words
set -eu
cd "$(dirname "$0")"

podman=podman
[ "$(id -u)" = 0 ] || podman='sudo podman'

# crun does not support the hybrid control groups of older machines, runc does.
runtime=
[ -e /sys/fs/cgroup/cgroup.controllers ] || runtime=--runtime=runc

authorities=/usr/local/share/ca-certificates
volume=
if ls $authorities/*.crt >/dev/null 2>&1; then
    volume=--volume=$authorities:/run/authorities:ro
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

inputs=$(cat ./* ${volume:+$authorities/*.crt} | sha256sum | cut -c1-16)
week=$(date +%G-W%V)

label() {
    $podman image inspect --format "{{index .Labels \"$2\"}}" "$1" 2>/dev/null || true
}

base_of() {
    published=docker.io/library/debian:$1-slim
    made=localhost/pitcrew-lab-base:$1
    if $podman image exists "$published"; then
        echo "$published"
    elif $podman image exists "$made"; then
        echo "$made"
    elif timeout 60 $podman pull --quiet "$published" >&2; then
        echo "$published"
    else
        echo "No registry answers: mmdebstrap makes the $1 base system" >&2
        # Through a file and not a pipe: a half-made system must not become an image.
        ${podman%podman}mmdebstrap --quiet --variant=minbase --include=ca-certificates "$1" "$scratch/$1.tar"
        $podman import --quiet "$scratch/$1.tar" "$made" >&2
        echo "$made"
    fi
}

build() {
    image=localhost/pitcrew-lab:$1
    old=$($podman image inspect --format '{{.Id}}' "$image" 2>/dev/null) || old=
    base=$(base_of "$1")
    $podman $runtime build --network=host $volume \
        --build-arg="BASE=$base" --build-arg="WEEK=$week" \
        --label="inputs=$inputs" --label="week=$week" \
        --tag="$image" . || return
    # Hosts that run on the old image keep it.
    [ -z "$old" ] || $podman image rm "$old" >/dev/null 2>&1 || true
}

for suite in "$@"; do
    image=localhost/pitcrew-lab:$suite
    if [ "$(label "$image" inputs)" != "$inputs" ]; then
        build "$suite"
    elif [ "$(label "$image" week)" != "$week" ]; then
        build "$suite" || echo "The $suite image of $(label "$image" week) stays: it cannot be refreshed now" >&2
    fi
done
