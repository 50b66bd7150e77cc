#pragma once
#include <microhttpd.h>
#include <stdint.h>

// libmicrohttpd brings GnuTLS and eight other libraries with it, which no command needs but those that serve. So it is loaded
// when a server is first started. These are the functions that are used, under names of ours.

/// Why libmicrohttpd cannot be used; NULL when it can. Loads it when that was not done yet.
///
/// To be called before any other.
const char *hecate_server_problem(void);

struct MHD_Daemon *hecate_server_start(
    unsigned int flags, int listener, MHD_AccessHandlerCallback handler, MHD_RequestCompletedCallback completed,
    MHD_NotifyConnectionCallback changed, void *context, unsigned int connections, size_t memory, unsigned int idle,
    const char *certificate, const char *key);
/// Stops accepting; gives the listening socket back, or -1.
int hecate_server_quiesce(struct MHD_Daemon *daemon);
void hecate_server_stop(struct MHD_Daemon *daemon);

void hecate_connection_suspend(struct MHD_Connection *connection);
void hecate_connection_resume(struct MHD_Connection *connection);
/// Its socket, or -1.
int hecate_connection_descriptor(struct MHD_Connection *connection);
/// The address of the other side, or NULL.
const struct sockaddr *hecate_connection_client(struct MHD_Connection *connection);
int hecate_connection_values(
    struct MHD_Connection *connection, enum MHD_ValueKind kind, MHD_KeyValueIterator iterator, void *context);

struct MHD_Response *hecate_response_of_buffer(
    size_t size, const void *bytes, MHD_ContentReaderFreeCallback free, void *context);
struct MHD_Response *hecate_response_of_callback(
    uint64_t size, size_t block, MHD_ContentReaderCallback reader, void *context, MHD_ContentReaderFreeCallback free);
enum MHD_Result hecate_response_add_header(struct MHD_Response *response, const char *name, const char *value);
enum MHD_Result hecate_response_queue(
    struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response);
void hecate_response_destroy(struct MHD_Response *response);
