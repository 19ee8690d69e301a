"""What measures: training speed, orchestration and overhead. No part of the installed package."""
