/* The completion scripts, as they are installed. */
#pragma once

extern const char completion_bash[], completion_zsh[], completion_fish[];
