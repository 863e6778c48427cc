/* The platform's OpenSSL 3. Macros have static inline wrappers here; no logic. */
#pragma once
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

static inline int pair_ssl_ctx_set_tls13_only(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1;
}

static inline int pair_ssl_ctx_set_groups(SSL_CTX *context, const char *groups) {
    return (int)SSL_CTX_set1_groups_list(context, groups);
}

static inline int pair_ssl_ctx_set_signature_algorithms(SSL_CTX *context, const char *algorithms) {
    return (int)SSL_CTX_set1_sigalgs_list(context, algorithms);
}

static inline void pair_ssl_ctx_disable_session_cache(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline int pair_ssl_set_app_data(SSL *session, void *data) {
    return SSL_set_app_data(session, data);
}

static inline void *pair_ssl_get_app_data(const SSL *session) {
    return SSL_get_app_data(session);
}

static inline long pair_bio_mem_data(BIO *bio, const char **data) {
    return BIO_get_mem_data(bio, (char **)data);
}

static inline void pair_bio_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }

static inline void pair_bio_clear_retry_flags(BIO *bio) { BIO_clear_retry_flags(bio); }

static inline uint64_t pair_ssl_op_no_ticket(void) { return SSL_OP_NO_TICKET; }
