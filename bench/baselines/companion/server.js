// @uppy/companion as its guide sets it up inside Express, for S3 alone and without authentication.
import { randomUUID } from 'node:crypto'
import * as companion from '@uppy/companion'
import express from 'express'
import session from 'express-session'

const { env } = process
const app = express()
app.use(express.json())
app.use(session({ secret: env.SECRET_KEY, resave: false, saveUninitialized: false }))

const options = {
  s3: {
    key: env.AWS_ACCESS_KEY_ID,
    secret: env.AWS_SECRET_ACCESS_KEY,
    bucket: env.AWS_INCOMING_BUCKET_NAME,
    region: env.AWS_S3_REGION_NAME,
    acl: 'bucket-owner-full-control',
    expires: 300,
    conditions: [['content-length-range', 1, 10 * 1024 * 1024]],
    getKey: () => `media/images/users/profiles/profile_${randomUUID()}.jpeg`,
  },
  server: { host: `127.0.0.1:${env.PORT}`, protocol: 'http' },
  filePath: env.COMPANION_FILES,
  secret: env.SECRET_KEY,
  corsOrigins: ['https://app.example.com'],
  uploadUrls: ['https://app.example.com'],
  metrics: false,
}
const { app: companionApp } = companion.app(options)
app.use(companionApp)
companion.socket(app.listen(Number(env.PORT), '127.0.0.1'))
