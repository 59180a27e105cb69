/* The interface texts of conf/ and org.varlink.service, word for word; generated at build time. */
#pragma once

extern const char varlink_text_service[];
extern const char varlink_text_daemon[];
extern const char varlink_text_sync[];
extern const char varlink_text_remote[];
