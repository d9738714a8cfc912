#!/bin/sh
# Starts Mosquitto in its container: nadikota's password comes from the secret, all other users stay as they are.
set -eu
umask 077
passwords=/mosquitto/data/passwords
password=$(cat /run/secrets/mqtt-password)
if [ -z "$password" ]; then
    echo "secrets/mqtt-password is empty: put a long random value there" >&2
    exit 1
fi
[ -f "$passwords" ] || : >"$passwords"
# By stdin, where it is asked for twice: arguments can be seen by others.
printf '%s\n%s\n' "$password" "$password" | mosquitto_passwd "$passwords" nadikota >/dev/null
# What the health check connects with.
printf -- '-u nadikota\n--pw %s\n' "$password" >/tmp/mosquitto_sub
exec mosquitto -c /mosquitto/config/mosquitto.conf
