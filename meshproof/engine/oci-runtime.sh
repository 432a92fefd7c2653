#!/bin/sh
# An OCI runtime for a machine that withholds capabilities: `--privileged` asks
# runc for every capability, and runc fails on one that cannot be given. This
# takes the withheld ones out of what the engine asks for and calls runc.
# `withheld.json` beside it is the JSON list of them.
set -eu
here=$(dirname "$0")
previous=
for argument in "$@"; do
  case "$previous" in
    --bundle | -b) request="$argument/config.json" filter='.process.capabilities' ;;
    --process | -p) request="$argument" filter='.capabilities' ;;
    *) request= ;;
  esac
  if [ -n "$request" ] && [ -f "$request" ]; then
    jq --slurpfile withheld "$here/withheld.json" \
      "if $filter then $filter |= map_values(. - \$withheld[0]) else . end" \
      "$request" >"$request.allowed"
    mv "$request.allowed" "$request"
  fi
  previous="$argument"
done
exec runc "$@"
