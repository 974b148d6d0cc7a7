#!/bin/bash
# What a plain deploy script does, with nothing of what this collection adds: the measure for `make bench-deploy`.
# Runs on the host as root; the same script for the first time and for every time after it.
set -euo pipefail
export PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1 DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
site=/srv/plain
if [ ! -d $site ]; then
    if ! dpkg --status git nginx python3-venv >/dev/null 2>&1; then
        apt-get update -qq
        apt-get install -qq --no-install-recommends git nginx python3-venv >/dev/null
    fi
    useradd --system --home $site plain
    git clone --quiet /srv/origin.git $site
    python3 -m venv $site/.venv
    printf 'SECRET_KEY=%s\nALLOWED_HOSTS=shop.test\nSQLITE_PATH=%s/db.sqlite3\n' "$(head -c 40 /dev/urandom | base64 -w0)" $site >/etc/plain.env
    cat >/etc/systemd/system/plain.service <<UNIT
[Service]
User=plain
WorkingDirectory=$site
EnvironmentFile=/etc/plain.env
ExecStart=$site/.venv/bin/gunicorn --workers 2 --threads 3 --bind 127.0.0.1:8000 shop.wsgi
Restart=always
[Install]
WantedBy=multi-user.target
UNIT
    cat >/etc/nginx/conf.d/plain.conf <<NGINX
server {
    listen 80;
    server_name shop.test;
    location /static/ { root $site; }
    location / { proxy_pass http://127.0.0.1:8000; proxy_set_header Host \$host; }
}
NGINX
    systemctl daemon-reload
    systemctl enable --quiet plain
    systemctl reload nginx
fi
cd $site
git config --global --add safe.directory $site
git fetch --quiet
git reset --quiet --hard origin/main
.venv/bin/pip install --quiet -r requirements.txt gunicorn==27.0.1
set -a
# shellcheck source=/dev/null
. /etc/plain.env
set +a
.venv/bin/python manage.py migrate --verbosity 0
.venv/bin/python manage.py collectstatic --noinput --verbosity 0
chown -R plain $site
systemctl restart plain
