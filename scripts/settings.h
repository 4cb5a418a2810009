/* SPDX-License-Identifier: Apache-2.0
 *
 * What `otel-auto env` prints. Both return the exit code of the launcher and print on standard
 * output; what is wrong goes to standard error.
 */
#ifndef OTEL_SCRIPTS_SETTINGS_H
#define OTEL_SCRIPTS_SETTINGS_H

/* Every setting with its default and meaning. 0, or 1 when the output could not be written. */
int settings_print(void);

/* Every setting with the value it has by a configuration file, read with this environment, and
 * where it came from. What has no effect is warned about. Values of header variables, which are
 * credentials, are not shown. 0, or 1: the file is wrong, and nothing is printed. */
int settings_print_file(const char *path);

#endif
