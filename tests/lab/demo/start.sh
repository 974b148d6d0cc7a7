#!/bin/sh
# The demo: one Debian host, and on it the example site, deployed as a user would. Run from the checkout's top.
set -eu

here=tests/lab/demo
inventory=.cache/demo/inventory
playbook=${DEMO_PLAYBOOK:-pitcrew.django.deploy}
export ANSIBLE_CONFIG="tests/lab/ansible.cfg"

# create.yml writes runtime.yml into the directory of the inventory: that must not be one of the source.
mkdir -p "$inventory"
ln -sfn "$PWD/$here/hosts.yml" "$inventory/hosts.yml"
ln -sfn "$PWD/$here/group_vars" "$inventory/group_vars"

# Chosen once, so that the address stays the same until `make demo-stop`.
if [ ! -e "$inventory/port.yml" ]; then
    port=$(python - <<'PYTHON'
import socket

for port in range(8080, 8180):
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
else:
    raise SystemExit("No port between 8080 and 8179 is free on 127.0.0.1")
PYTHON
)
    echo "{lab: {hosts: {demo: {lab_publish: ['$port:80']}}}}" >"$inventory/port.yml"
fi
port=$(sed 's/.*\[.\([0-9]*\):80.*/\1/' "$inventory/port.yml")

tests/lab/bin/step demo-images "Image of Debian 12" tests/lab/image/build.sh bookworm
tests/lab/bin/step demo-create "Debian host with systemd and SSH" \
    ansible-playbook --inventory "$inventory" tests/lab/create.yml
ansible-playbook --inventory "$inventory" "$playbook"

# A few visitors, one of whom takes a wrong turn, so that there is something to report.
python - "http://127.0.0.1:$port" <<'PYTHON'
import sys
import urllib.error
import urllib.request

visitor = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for path in ["/", "/healthz/", "/no-such-page/"] * 10:
    try:
        visitor.open(sys.argv[1] + path, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
PYTHON
ansible-playbook --inventory "$inventory" --extra-vars "site_report_directory='$PWD/.cache/demo/report'" pitcrew.django.report

cat <<TEXT

The shop is open: http://127.0.0.1:$port/
Its report: file://$PWD/.cache/demo/report/index.html

Three things to try:
  1. Deploy again; nothing is to do, and nothing is done:
       make demo
  2. Look around on the host, a plain Debian with plain units:
       .venv/bin/ansible -i $inventory demo -m ansible.builtin.command -a "systemctl status shop@*"
  3. Edit tests/example while this asks the site without a pause, then run \`make demo\` in another terminal:
       while curl -fsS -o /dev/null http://127.0.0.1:$port/; do :; done; echo lost one

make demo-stop removes it all.
TEXT
