#!/bin/sh
# Remove everything that start.sh created. Run from the checkout's top.
set -eu

inventory=.cache/demo/inventory
if [ ! -d "$inventory" ]; then
    echo "There is no demo."
    exit 0
fi
ANSIBLE_CONFIG=tests/lab/ansible.cfg
export ANSIBLE_CONFIG
tests/lab/bin/step demo-destroy "Remove the demo's host and network" \
    ansible-playbook --inventory "$inventory" tests/lab/destroy.yml
rm -rf .cache/demo
