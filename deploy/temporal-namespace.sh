#!/bin/sh
# One-shot: makes the namespace and the search attributes Longtake's workflows set. Safe to run again.
set -eu
until temporal operator cluster health >/dev/null 2>&1; do sleep 1; done
temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 30d
for name in Channel VideoStatus; do
  temporal operator search-attribute create --namespace default --name "$name" --type Keyword || true
done
