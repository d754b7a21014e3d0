#!/bin/sh
# Makes the files of the folder `secrets` that docker-compose.yml mounts; those that are there stay as they are.
#
#   KIE_API_KEY=… sh deploy/make-secrets.sh
#
# The folder is for its owner only. The files in it are readable by all, since processes in containers have other ids.
set -eu
folder=${1:-secrets}
umask 077
mkdir -p "$folder"
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -e "$folder/$1" ] || { printf '%s' "$2" >"$folder/$1"; chmod 444 "$folder/$1"; }; }

for name in database_superuser_password database_owner_password database_app_password s3_secret_access_key callback_secret; do
  keep "$name" "$(random)"
done
keep kie_api_key "${KIE_API_KEY:?the key of KIE.ai}"
# Optional: an empty file is no setting.
keep kie_webhook_key "${KIE_WEBHOOK_KEY:-}"
keep notion_token "${NOTION_TOKEN:-}"
keep s3.json "{\"identities\": [{\"name\": \"longtake\", \"actions\": [\"Admin\", \"Read\", \"Write\", \"List\"],
  \"credentials\": [{\"accessKey\": \"longtake\", \"secretKey\": \"$(cat "$folder/s3_secret_access_key")\"}]}]}"
password=$(random)
keep temporal.env "POSTGRES_PASSWORD=$password
POSTGRES_PWD=$password"
