# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user sets for a site: whether it can work, and if not, everything that is wrong with it at once.

    Complaint       one thing that is wrong: variable, problem, cure    complaints
    Option          what a variable may be, from the roles' specs       specification
    values          of the right types, as plain Python                 kinds
    names           misspelt ones, and those that are computed          names
    domains         as nginx, Django and health checks need them        hostnames
    rules           each value by itself, and values together           patterns, relations, building, background,
                                                                        schedules
    host, plan      what depends on the host's facts                    host, plan
    validation      all of it: once without, once with the host         validation

A new rule is a function in relations (it names the variables that it compares as its parameters) or in host (it has the
host's facts as well), or a line in patterns.
"""
