#pragma once
#include <curl/curl.h>

// Swift cannot call variadic C functions; each of these gives one of them a fixed signature.
static inline CURLcode hecate_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode hecate_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode hecate_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode hecate_curl_set_headers(CURL *handle, struct curl_slist *value) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, value);
}
typedef size_t (*hecate_curl_write)(char *data, size_t size, size_t count, void *context);
static inline CURLcode hecate_curl_set_write(CURL *handle, CURLoption option, hecate_curl_write callback) {
    return curl_easy_setopt(handle, option, callback);
}
typedef int (*hecate_curl_progress)(void *context, curl_off_t total, curl_off_t now, curl_off_t upTotal, curl_off_t up);
static inline CURLcode hecate_curl_set_progress(CURL *handle, hecate_curl_progress callback) {
    return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, callback);
}
static inline CURLcode hecate_curl_status(CURL *handle, long *status) {
    return curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, status);
}
// Seconds, or zero when the answer did not say.
static inline long hecate_curl_retry_after(CURL *handle) {
    curl_off_t seconds = 0;
    return curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK ? (long)seconds : 0;
}
typedef size_t (*hecate_curl_read)(char *buffer, size_t size, size_t count, void *context);
static inline CURLcode hecate_curl_set_read(CURL *handle, hecate_curl_read callback) {
    return curl_easy_setopt(handle, CURLOPT_READFUNCTION, callback);
}
static inline CURLcode hecate_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(handle, option, value);
}
