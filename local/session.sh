# Sign in.
value() { python3 -c 'import functools, json, sys; print(functools.reduce(
  lambda v, k: v[int(k) if k.isdigit() else k], sys.argv[1:], json.load(sys.stdin)))' "$@"; }
TOKEN=$(curl -sS $BASE/auth/token/ -H 'Content-Type: application/json' \
  -d '{"email": "'"$EMAIL"'", "password": "'"$PASSWORD"'"}' | value access)
api() { curl -sS -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' "$@"; }

# Ask for a form, and send it to S3: every field as it came, the file last.
fields() { python3 -c 'import json, sys
for field in json.load(sys.stdin)[0]["fields"].items(): print(*field, sep="=", end="\0")'; }
upload() {
  FIELDS=(); while IFS= read -r -d '' FIELD; do FIELDS+=(--form-string "$FIELD"); done < <(fields <<< "$1")
  curl -sS -w 'upload: %{http_code}\n' "${FIELDS[@]}" -F "file=$2" "$(value 0 url <<< "$1")"
}
FORM=$(api $BASE/sign_s3/ -d '{"mime": "image/jpeg", "path": "images/posts/post_", "number": 1}')
upload "$FORM" "@$PHOTO"

# Create a post that claims the upload, and look at its picture through the signed URL.
KEY=$(value 0 fields key <<< "$FORM")
POST=$(api $BASE/posts/ -d '{"caption": "Hello", "images": ["'"$KEY"'"]}')
curl -sS "$(value images 0 url <<< "$POST")" | cmp - "$PHOTO" && echo 'download: the same bytes'

# Delete the post. A few seconds later its picture has gone from S3 as well.
api -X DELETE -w 'delete: %{http_code}\n' $BASE/posts/$(value id <<< "$POST")/

# Upload what is no picture: S3 takes it, the post is refused, and a rollback takes it back.
FORM=$(api $BASE/sign_s3/ -d '{"mime": "image/png", "path": "images/posts/post_", "number": 1}')
upload "$FORM" 'not a picture;filename=picture.png'
KEY=$(value 0 fields key <<< "$FORM")
api -w '\npost: %{http_code}\n' $BASE/posts/ -d '{"caption": "Oops", "images": ["'"$KEY"'"]}'
api -X DELETE -w 'rollback: %{http_code}\n' $BASE/sign_s3/ -d '{"key": "'"$KEY"'"}'
