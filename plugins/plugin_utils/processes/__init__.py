# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's background processes: from what a user writes under site_processes to the units that run them.

    Process             one of them in full                                      process
    Preset              what a product needs: command, signal, place in the plan presets
    words               of a command, and as a unit file has them                quoting
    loads               what the processes are to the plan                       loads
    process_units       one unit after the other, with the plan's numbers        units

Another preset is another entry of PRESETS. Everything here takes what site_inputs has accepted.
"""
