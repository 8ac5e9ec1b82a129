"""FastAPI with boto3 and a stateless token, verified as ours is: once, then remembered."""

import os
import time
from typing import Annotated, Any, Literal

import jwt
import shortuuid
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from bench.baselines.boto3_forms import TYPES, form

SECRET_KEY = os.environ["SECRET_KEY"]
app = FastAPI()
verified: dict[str, tuple[int, str]] = {}


class Wanted(BaseModel):
    mime: Literal["image/jpeg", "image/png", "image/webp", "image/gif"]
    path: Literal["images/users/profiles/profile_", "images/posts/post_"]
    number: Annotated[int, Field(ge=1, le=10)]


class Form(BaseModel):
    url: str
    fields: dict[str, str]


async def caller(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> str:
    token = credentials.credentials
    known = verified.get(token)
    if known is not None and known[0] > time.time():
        return known[1]
    try:
        claims = jwt.decode(token, SECRET_KEY, algorithms=["HS256"])
    except jwt.InvalidTokenError as exc:
        raise HTTPException(401) from exc
    verified[token] = claims["exp"], claims["sub"]
    return claims["sub"]


# As FastAPI's guide has it for libraries that cannot be awaited ("Concurrency and async / await").
@app.post("/sign_s3/", status_code=201)
def sign(wanted: Wanted, owner: Annotated[str, Depends(caller)]) -> list[Form]:
    return signed(wanted, owner)


# boto3 signs without a network, so it may run in the event loop too, which saves a thread's turn.
@app.post("/sign_s3_in_the_loop/", status_code=201)
async def sign_in_the_loop(wanted: Wanted, owner: Annotated[str, Depends(caller)]) -> list[Form]:
    return signed(wanted, owner)


def signed(wanted: Wanted, owner: str) -> list[Form]:
    keys = [
        f"media/{wanted.path}{shortuuid.uuid()}{TYPES[wanted.mime]}" for _ in range(wanted.number)
    ]
    forms: list[dict[str, Any]] = [
        form(key=key, content_type=wanted.mime, owner=owner) for key in keys
    ]
    return [Form(**each) for each in forms]
