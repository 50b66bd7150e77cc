#pragma once
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/crypto.h>
#include <openssl/core_names.h>
// A macro made of macros, which Swift does not see.
static const int hecate_public_key = EVP_PKEY_PUBLIC_KEY;
