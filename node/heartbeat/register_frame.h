/* SPDX-License-Identifier: Apache-2.0
 *
 * What passes over heartbeat.sock (SOCK_SEQPACKET): one request, one answer, then both sides close.
 * Private to procctl, yet an ABI: programs stay linked to an old library for years.
 *
 * The request says what the process wants to be called and how long it may be silent. Who it is,
 * the guardian asks the kernel. An accepted answer carries exactly one descriptor (SCM_RIGHTS): a
 * memfd of PROCCTL_PAGE_BYTES, sealed by the guardian against shrinking and growing, so that no
 * client can make the guardian's read fault. The client maps it, then adds the future-write seal:
 * nobody who gets hold of the descriptor later can beat for it.
 *
 * A request is one of two sizes. The short one asks for a beat timeout only; a library that was not
 * asked for more sends it, so that it is understood by every guardian.
 *
 * Host byte order (both ends are on one host); no pointers, no padding.
 */
#ifndef PROCCTL_NODE_HEARTBEAT_REGISTER_FRAME_H_
#define PROCCTL_NODE_HEARTBEAT_REGISTER_FRAME_H_

#include <stdint.h>

#define PROCCTL_FRAME_MAGIC 0x70636231U /* "pcb1" */
#define PROCCTL_FRAME_NAME_BYTES 64U
#define PROCCTL_FRAME_TEXT_BYTES 160U

typedef struct procctl_register_request {
  uint32_t magic;
  uint32_t page_version; /* PROCCTL_PAGE_VERSION the client was built with */
  uint32_t timeout_ms;   /* 0 is refused */
  uint32_t reserved;     /* 0 */
  /* Any bytes; ends at the first NUL, which must be there. */
  uint8_t name[PROCCTL_FRAME_NAME_BYTES];
} procctl_register_request;

/* The long request. */
typedef struct procctl_register_request_more {
  procctl_register_request head;
  uint32_t progress_timeout_ms; /* 0: progress is not judged */
  uint32_t start_grace_ms;      /* 0: judged by the timeout from the first beat on */
  uint32_t reserved[2];         /* 0 */
} procctl_register_request_more;

typedef struct procctl_register_answer {
  uint32_t magic;
  int32_t error;                       /* 0, or an errno value as procctl_open documents */
  uint64_t slot;                       /* Incarnation.generation; 0 when refused */
  char text[PROCCTL_FRAME_TEXT_BYTES]; /* why refused, printable ASCII, NUL-terminated */
} procctl_register_answer;

#ifdef __cplusplus
static_assert(sizeof(procctl_register_request) == 80, "ABI");
static_assert(sizeof(procctl_register_request_more) == 96, "ABI");
static_assert(sizeof(procctl_register_answer) == 176, "ABI");
#endif

#endif /* PROCCTL_NODE_HEARTBEAT_REGISTER_FRAME_H_ */
