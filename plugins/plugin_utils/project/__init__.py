# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source needs in production, read without running any of it, as a proposed inventory.

    Tree            the files of a source, and their text               tree
    Finding         a variable, its value and the reason                findings
    manage.py       which one, and what it puts on sys.path             modules
    modules         settings and applications, and the likeliest        modules
    values          what a settings module computes, as far as it can   values, calls, readers,
                    be told without its environment                     expressions, evaluation
    lists           the dependencies, and what has to be there for them lists
    rules           settings, environment, URLs, build steps,           settings, environment, routes, building,
                    commands, the interface                             commands, interface
    processes       what files of the source start, by the calendar,    programs, command_lines, calendars, workers,
                    too, as processes and schedules                     celery, management, processes, schedules,
                                                                        proposed_commands
    hosts           what the source needs, compared with hosts          hosts
    loaded          what Django says about the same settings            loaded, trial, loader
    inspection      all of it, in order                                 inspection
    proposal        the findings as text and as YAML                    proposal

A new rule is a function of one of the rooms above that yields findings; inspection lists the rooms.
"""
