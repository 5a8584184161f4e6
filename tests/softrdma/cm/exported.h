// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The functions of librdmacm; all else stays inside.
#define EXPORTED __attribute__((visibility("default")))
